/**
 * What a provider, or a gateway in front of it, says while we generate.
 *
 * The words decide before the status: providers send "no money" as 400, 402, 403 and 429, "prompt too long" as 400, 413,
 * 422, 429 and 500. Each rule is asked of one layer, innermost first; only if no layer says anything specific do the
 * status rules at the end speak.
 */
import { namedCooldownMs, waitInSentence } from "./cooldown.ts";
import type { Reading } from "./reading.ts";
import type { LayerRule, Rule } from "./rule.ts";
import type { Layer } from "./unwrap.ts";

/** A quota that fills up again within the hour is a rate limit, whatever it is called. */
const SHORT_WINDOW =
  /per[-_ ]?(?:minute|second|hour)|perminute|persecond|perhour|\/ ?(?:min(?:ute)?|sec(?:ond)?|hour)\b|\b(?:rpm|tpm|rps|tps|itpm|otpm)\b/;
const LONG_WINDOW =
  /per[-_ ]?(?:day|month|week)\b|perday|permonth|\/ ?(?:day|month|week)\b|\b(?:daily|monthly|weekly|rpd|tpd)\b|\bday limit\b|\b(?:today|this (?:week|month))\b/;

function says(layer: Layer, pattern: RegExp): boolean {
  return pattern.test(layer.text);
}

function labelled(layer: Layer, pattern: RegExp): boolean {
  return pattern.test(layer.label);
}

function either(layer: Layer, pattern: RegExp): boolean {
  return labelled(layer, pattern) || says(layer, pattern);
}

/** "Limit 30000, Requested 30601": more than the limit by itself, not together with what was used before. */
function asksMoreThanLimit(layer: Layer): boolean {
  if (/\bused:? ?[1-9]/.test(layer.text)) return false;
  const limit = /\blimit:? ?(\d{1,15})\b/.exec(layer.text)?.[1];
  const requested = /\brequested:? ?(\d{1,15})\b/.exec(layer.text)?.[1];
  return (
    limit !== undefined && requested !== undefined && Number(requested) > Number(limit) && Number(limit) > 0
  );
}

/** The parameters that say how much the model may write; too large a value there is our configuration, not the input. */
const OUTPUT_LIMIT =
  /max[_ ]?(?:output[_ ]?|completion[_ ]?|new[_ ]?)?tokens|maxoutputtokens|max_tokens_to_sample/;

function blamesOutputLimit(layer: Layer): boolean {
  if (!OUTPUT_LIMIT.test(layer.param) && !OUTPUT_LIMIT.test(layer.text)) return false;
  // "max_tokens is too large … maximum context length is 8192 and your request has 5000 input tokens" is about both.
  if (
    /input tokens|input length|prompt (?:contains|has|tokens|length|is)|in the messages|`?inputs`? tokens/.test(
      layer.text,
    )
  )
    return false;
  return (
    OUTPUT_LIMIT.test(layer.param) ||
    /not supported|unsupported|unrecognized|unknown|invalid|must be|at most|at least|less than|greater than|too (?:large|high|big|small)|valid range|maximum (?:value|allowed)|exceeds? the (?:maximum|limit)|supports at most|> ?\d+/.test(
      layer.text,
    )
  );
}

const TOO_LARGE_LABEL =
  /context_length|context_window|contextlength|contextwindow|contextoverflow|exceed_context|string_above_max|array_above_max|request_too_large|requesttoolarge|payload_too_large|prompt_too_long|input_too_long|max_prompt_tokens|content_too_large|model_max_prompt|tokens_limit_reached|context_limit/;
const TOO_LARGE_TEXT = [
  // OpenAI, vLLM, DeepSeek: "This model's maximum context length is 4097 tokens. However, you requested 4120 tokens"
  /(?:maximum|max|model'?s?|available|supported|configured|allowed) (?:model )?(?:context|prompt|sequence|input|model|position)[ _-]?(?:length|window|size|limit|len)/,
  // llama.cpp: "exceeds the available context size"; Anthropic: "input length and `max_tokens` exceed context limit"
  /(?:exceed|exceeds|exceeded|exceeding|larger than|longer than|greater than|too (?:long|large|big) for|beyond|over|overflow(?:s|ed)?|fit (?:in|into|within))[^.\n]{0,60}\b(?:context|max_model_len|model length)/,
  /\bcontext[ _](?:length|window|size|limit)[^.\n]{0,40}(?:exceed|overflow|too (?:small|long)|is full)/,
  // Anthropic "prompt is too long", Bedrock "Input is too long for requested model.", Cohere, xAI, Mistral
  /\b(?:prompts?|inputs?|messages?|conversation|request|content|query|text|document|payload|body|entity|sequence)\b[^.\n]{0,40}\b(?:is|are|was|of)? ?too (?:long|large|big)\b/,
  /\btoo many (?:input |prompt |total )?tokens\b(?![^\n]{0,80}(?:wait|retry|try again|per (?:minute|second|day)|rate))/,
  /\btoken count\b[^\n]{0,60}exceeds|\bexceeds\b[^\n]{0,60}\b(?:maximum|max|limit|allowed)\b[^\n]{0,40}\b(?:tokens?|characters|bytes|length)\b|(?:prompt|input) (?:tokens?|length)[^.\n]{0,60}(?:exceed|must be (?:less|<|at most|smaller))/,
  /\breduce (?:the |your )?(?:length|size|number|message|prompt|input|context)/,
  // Vertex: "the input token count is 40000 but the model only supports up to 32768"
  /(?:tokens?|token count|input|prompt|length)\b[^\n]{0,60}\bonly (?:supports|accepts|allows)|longer than the (?:maximum|max|limit|allowed)|exceeds? (?:the )?max(?:imum)?[^.\n]{0,30}\btokens?\b/,
  // TGI: "`inputs` tokens + `max_new_tokens` must be <= 65537"; LM Studio: "n_keep: 13055>= n_ctx: 4096"
  /inputs?`? tokens ?\+ ?`?max_new_tokens|\bn_keep\b|\bn_ctx\b|tokens to keep from the initial prompt/,
  // TGI: "`inputs` must have less than 4096 tokens"
  /(?:inputs?|prompt|messages)`? (?:must|can|may|should)(?:not)? (?:have|contain|exceed|be)[^.\n]{0,40}(?:less|fewer|at most|shorter|up to|exceed|\d tokens)/,
  // DashScope: "Range of input length should be [1, 30720]"
  /range of input length should be|input length should be|(?:request|payload|content|body|entity)(?: entity)? too large|maximum allowed (?:number of )?(?:bytes|size|payload)|provide a shorter (?:input|prompt)/,
];

function isTooLarge(layer: Layer): boolean {
  if (labelled(layer, TOO_LARGE_LABEL)) return true;
  if (
    /\bmessages|\binput|\bprompt|\bcontents/.test(layer.param) &&
    says(layer, /too (?:long|large)|above (?:the )?max|maximum length/)
  )
    return true;
  return !waits(layer) && TOO_LARGE_TEXT.some((pattern) => says(layer, pattern));
}

function waits(layer: Layer): boolean {
  return waitInSentence(layer.text) !== null || says(layer, /please wait|slow down|rate[- ]limit/);
}

const NO_MONEY_LABEL =
  /insufficient_?(?:user_)?(?:quota|balance|credits?|funds)|exceeded_current_quota|billing_(?:hard_)?limit|spend(?:ing)?_limit|credit_?(?:balance|limit)|credits_exhausted|payment_required|paymentrequired|out_of_credits|arrearage|accountoverdue|usage_limit_reached|quota_exhausted|insufficientquota|budget_limit/;
const NO_MONEY_TEXT = [
  /credit balance|\binsufficient (?:account )?(?:balance|credits?|funds|quota)|\bnot enough (?:balance|credits?|funds|money|quota)|(?:balance|credits?|funds) (?:is|are|has|have) (?:been )?(?:insufficient|not enough|too low|exhausted|depleted|used up|empty)/,
  /spend(?:ing)? (?:limit|cap)|billing (?:hard |soft )?(?:limit|cap)|monthly (?:usage|spend|budget|included|credit)|credit limit (?:has been )?(?:exceeded|reached)|(?:exceeded|used up|exhausted) (?:your |the )?(?:free|included|plan) (?:usage|tier|allowance)|(?:exceeded|reached|hit) (?:your |the )?(?:credit|spend|specified api usage|api usage|monthly usage|usage) (?:limit|cap|quota)s?/,
  /(?:used|consumed|exhausted) (?:up )?(?:all )?(?:of )?(?:your |the |its )?(?:available |included |monthly |free |remaining |prepaid )*(?:credits?|balance|funds)|(?:out of|no (?:more|remaining)|(?:have|has|have any|has any|have no|has no|ran out of)) (?:\w+ )?credits|requires? more credits|can only afford|(?:purchase|buy|add) (?:more )?credits (?:and|to continue|to proceed)|top up|recharge your|prepayment/,
  /(?:past[- ]due|unpaid|overdue|outstanding) (?:invoice|balance|payment|bill)|(?:pay|payment of) past invoices|payment (?:required|failed|overdue|is due|method)|account is in arrears|in good standing/,
  /余额不足|欠费|额度不足|额度已?用[尽完]|配额不足|账户余额/,
];
/** "Check your plan and billing": Gemini says it of its per-minute limits too, so it counts only without a window. */
const QUOTA_TEXT =
  /exceeded (?:your|the) current (?:\w+ )?quota|check your plan and billing|quota (?:has been |is |was )?(?:exceeded|exhausted|reached|used up)|(?:exceeded|reached|hit|over) (?:your |the )?(?:\w+ )?quota|used up your (?:quota|allowance)/;

function isOutOfMoney(layer: Layer, reading: Reading): boolean {
  if (isAboutRate(layer)) return false;
  if (layer.status === 402) return true;
  if (labelled(layer, NO_MONEY_LABEL) || NO_MONEY_TEXT.some((pattern) => says(layer, pattern))) return true;
  if (!says(layer, QUOTA_TEXT) || says(layer, /check quota|quota ?increase/)) return false;
  if (LONG_WINDOW.test(`${layer.label} ${layer.text}`)) return false;
  // A wait that is named heals it: a rate limit in the words of a quota.
  return namedCooldownMs(reading) === null;
}

/** Cerebras `request_quota_exceeded`, Gemini `…PerMinutePerProject…`: a quota of requests, not of money. */
function isAboutRate(layer: Layer): boolean {
  if (labelled(layer, /request_quota_exceeded|token_quota_exceeded|too_many_requests/)) return true;
  return SHORT_WINDOW.test(layer.label) && !LONG_WINDOW.test(layer.label)
    ? true
    : SHORT_WINDOW.test(layer.text) &&
        !LONG_WINDOW.test(`${layer.label} ${layer.text}`) &&
        !NO_MONEY_TEXT.some((pattern) => says(layer, pattern));
}

/** A day's allowance heals by itself only if the answer can be trusted about when. */
function isUsedAllowance(layer: Layer, reading: Reading): boolean {
  const limited =
    reading.status === 429 ||
    either(
      layer,
      /rate[-_ ]?limit|quota|resource_exhausted|throttl|limit (?:reached|exceeded)|allowance|allocation|too many (?:requests|tokens)/,
    );
  if (!limited) return false;
  if (/free[-_]models[-_]per[-_]day/.test(`${layer.label} ${layer.text}`)) return true;
  // Google's RetryInfo beside a PerDay violation names seconds; the quota comes back at midnight.
  if (/perday|per_day/.test(layer.label)) return true;
  // A quota of nothing: the model is not in the plan at all.
  if (says(layer, /quota exceeded for metric[^\n]{0,200}limit: 0\b/)) return true;
  return LONG_WINDOW.test(`${layer.label} ${layer.text}`) && namedCooldownMs(reading) === null;
}

const RATE_LABEL =
  /rate[-_]?limit|ratelimit|throttl|too_?many_?requests|resource_exhausted|resourceexhausted|slow_?down|request_quota_exceeded|token_quota_exceeded|requestlimitexceeded/;
const RATE_TEXT =
  /\brate[- ]?limit(?:s|ed|ing|er)?\b|too many requests|too many tokens, please wait|throttl(?:ed|ing)|requests? (?:per|\/) ?(?:minute|second)|resource(?:_| has been )?exhausted|request rate (?:increased|is too)|exceeded (?:call|token|request) rate|concurrency limit|too many concurrent/;
const OVERLOAD_LABEL = /overloaded|unavailable|notready|capacity|server_busy|engine_overloaded|model_loading/;
const OVERLOAD_TEXT =
  /\boverload(?:ed)?\b|(?:at|over|out of|exceeded|insufficient|no|lack of) (?:\w+ )?capacity|capacity (?:exceeded|constraints?|reached)|high (?:demand|load|traffic)|(?:temporarily|currently) (?:unavailable|overloaded|busy|experiencing)|server (?:is )?busy|is currently loading|no (?:healthy|available) (?:upstream|server|worker|channel|deployment)s?|no deployments available|model is (?:loading|warming)|service (?:is )?unavailable|服务器繁忙|繁忙/;

function mayBeServerFault(reading: Reading): boolean {
  return (
    reading.status === null ||
    reading.status < 400 ||
    reading.status >= 500 ||
    [408, 409, 424, 425, 429, 498].includes(reading.status)
  );
}

function isConfiguration(reading: Reading): boolean {
  return reading.status !== 429;
}

const CONTENT_POLICY =
  /content[_ ](?:policy|filter|management policy|moderation)|contentpolicy|contentfilter|responsibleai|invalid_prompt|data_inspection|datainspection|moderation|flagged|safety (?:system|filter|settings|check)|usage (?:policy|policies|guidelines)|(?:violat|against)[a-z]* [^.\n]{0,60}(?:polic|guideline|terms|rules)|inappropriate|content exists risk|sensitive (?:content|words?|information)|不安全|敏感|prohibited content|guardrail/;

// oxfmt-ignore
export const PROVIDER_RULES: readonly LayerRule[] = [
  // Google: {reason: "BILLING_DISABLED"}; OpenAI: "Your account is not active, please check your billing details"
  { name: "billing-inactive", code: "billing_inactive", when: (layer) => either(layer, /billing_not_active|billing_disabled|billing_error|billing (?:to be|is not|must be|has not been|not) (?:enabled|active|set up)|enable billing|account is not active/) },
  // LiteLLM: "Budget has been exceeded! Current cost: 26.075, Max budget: 0.25"
  { name: "budget-exceeded", code: "budget_exceeded", when: (layer) => either(layer, /budget_?exceeded|budget_(?:reached|limit)|budget (?:has been |was |is )?(?:exceeded|reached|exhausted)|(?:exceed|exceeds|exceeded|over) (?:your |the |its |max )*budget|crossed budget/) },
  // OpenAI insufficient_quota (429), DeepSeek "Insufficient Balance" (402), Anthropic "credit balance is too low" (400)
  { name: "out-of-money", code: "quota_exhausted", when: isOutOfMoney },
  // Gemini {quotaId: "RequestsPerDay-limit"}, OpenRouter "free-models-per-day", Cohere "limited to 1000 API calls / month"
  { name: "allowance-used", code: "allowance_used", when: isUsedAllowance },
  // OpenAI, Groq: "Request too large for … (TPM): Limit 30000, Requested 30601"
  { name: "request-above-limit", code: "request_too_large", when: (layer) => says(layer, /\brequest too large\b/) || asksMoreThanLimit(layer) },
  // Bedrock: "Too many tokens, please wait before trying again."; OpenRouter: "temporarily rate-limited upstream"
  { name: "rate-limited-by-label", code: "rate_limited", when: (layer) => labelled(layer, RATE_LABEL) && !isTooLarge(layer) },
  // DeepSeek: "the valid range of max_tokens is [1, 8192]"; OpenAI: "'max_tokens' is not supported with this model"
  { name: "output-limit-invalid", code: "parameter_invalid", when: (layer, reading) => isConfiguration(reading) && blamesOutputLimit(layer) },
  { name: "context-exceeded", code: "context_exceeded", when: (layer, reading) => reading.status !== 413 && isTooLarge(layer) },
  // Anthropic 413, nginx "413 Request Entity Too Large"
  { name: "too-large-in-bytes", code: "request_too_large", when: (layer, reading) => reading.status === 413 && isTooLarge(layer) },
  // Groq json_validate_failed and tool_use_failed (400), OpenAI "The model produced invalid content" (500)
  { name: "model-wrote-it-wrong", code: "invalid_generation", when: (layer) => either(layer, /json_validate_failed|tool_use_failed|output_parse_failed|model_?output_?invalid|failed_generation|(?:model|it) (?:produced|generated|returned|output) (?:an )?(?:invalid|malformed|unparsable)|failed to (?:generate|produce) (?:valid )?(?:json|structured)|(?:parse|parsing|validate|decode) (?:the )?(?:model|generated|llm)(?:'s)? (?:output|response|json|tool|text|content|answer)|error parsing tool call|(?:generated|model) (?:json|output|response) (?:does not match|is not valid|is invalid|failed)/) },
  // OpenAI: "Invalid schema for response_format"; "'messages' must contain the word 'json'"
  { name: "our-schema-invalid", code: "schema_invalid", when: (layer, reading) => isConfiguration(reading) && (/response_format|json_schema|responseschema|response_schema|output_config|guided_json/.test(layer.param) || says(layer, /invalid (?:json )?schema|schema[^.\n]{0,80}(?:invalid|not supported|unsupported|too (?:complex|deep|large|many)|not allowed|is required|must)|(?:invalid|unsupported|unknown)[^.\n]{0,60}(?:schema|response_format)|response_?format[^.\n]{0,80}(?:invalid|not support|unsupported|unavailable|must|does not)|must contain the word 'json'|json_schema|grammar (?:is |could not|failed|error)/)) },
  // Anthropic: "Output blocked by content filtering policy"; DashScope: "Output data may contain inappropriate content."
  { name: "output-blocked", code: "output_filtered", when: (layer) => !says(layer, /due to the prompt|prompt triggering|input (?:data|text)/) && says(layer, /\b(?:output|completion|generated (?:content|text|output|response)|generation|model response|response)\b[^.\n]{0,40}\b(?:blocked|filtered|flagged|censored|stopped by)\b|\boutput (?:data|text|content)\b[^.\n]{0,40}(?:inappropriate|sensitive|unsafe)|(?:blocked|filtered|flagged) (?:the )?(?:output|response|completion)/) },
  // xAI: "account … has been suspended"; Anthropic: "This organization has been disabled."
  { name: "account-disabled", code: "account_disabled", when: (layer) => either(layer, /account_(?:deactivated|disabled|suspended|inactive)|user_deactivated|(?:account|organi[sz]ation|project|workspace|team|user)\b[^.\n]{0,60}\b(?:has been |have been |is |was |been )(?:currently )?(?:deactivated|disabled|suspended|terminated|banned|blocked|deleted|archived)/) },
  // OpenAI invalid_prompt, Azure content_filter, OpenRouter 403 metadata.reasons, DeepSeek "Content Exists Risk"
  { name: "input-rejected", code: "input_rejected", when: (layer) => labelled(layer, CONTENT_POLICY) || says(layer, CONTENT_POLICY) },
  // OpenAI unsupported_country_region_territory; Gemini: "User location is not supported for the API use."
  { name: "region-unsupported", code: "region_unsupported", when: (layer, reading) => isConfiguration(reading) && either(layer, /unsupported_country|country_region|(?:country|region|territory|location|jurisdiction)\b[^.\n]{0,60}\b(?:not (?:supported|available|allowed|permitted)|unsupported|restricted|blocked)|not (?:available|supported) in your (?:country|region|location)/) },
  // openai client: "Missing credentials. Please pass an `apiKey`"; OpenRouter: "No auth credentials found"
  { name: "key-missing", code: "key_missing", when: (layer, reading) => isConfiguration(reading) && either(layer, /missing credentials|no (?:auth(?:entication)? )?credentials|(?:api[-_ ]?key|authorization(?: header)?|token|credentials)\b[^.\n]{0,30}\b(?:is |was |are )?(?:missing|required|not (?:provided|set|found|configured))|(?:did(?:n't| not) provide|missing|no|without) (?:an? |the |your )?(?:api[-_ ]?key|authorization|bearer|x-api-key)|could not (?:load|resolve|find) (?:the )?(?:default )?(?:credentials|authentication)|unable to locate credentials/) },
  // OpenAI invalid_api_key, Anthropic "invalid x-api-key", Gemini API_KEY_INVALID (a 400), AWS UnrecognizedClientException
  { name: "key-invalid", code: "key_invalid", when: (layer, reading) => isConfiguration(reading) && either(layer, /invalid_api_key|api_key_invalid|apikeyinvalid|authentication_?error|authenticationerror|unauthenticated|unrecognizedclient|invalidsignature|signaturedoesnotmatch|expired_?token|invalid_(?:token|authentication|credentials)|(?:invalid|expired|incorrect|revoked) (?:\w+ ){0,2}token\b|(?:incorrect|invalid|wrong|bad|expired|revoked|unknown|malformed|disabled) (?:or \w+ )?(?:x-)?(?:api[-_ ]?key|access token|auth(?:entication|orization)?(?: token| header)?|bearer|credentials?|security token|subscription key)|(?:api[-_ ]?key|(?:access|api|auth|bearer|security|server|session|user|this) token|credentials?)\b[^.\n]{0,40}\b(?:invalid|incorrect|expired|revoked|not valid|not found|disabled|rejected|not accepted)|\bunauthorized\b|authentication (?:failed|fails|error)/) },
  // OpenAI model_not_found (403, 404), Azure DeploymentNotFound, Groq model_decommissioned, Bedrock on-demand (400)
  { name: "model-unavailable", code: "model_unavailable", when: (layer, reading) => isConfiguration(reading) && either(layer, /model_?not_?(?:found|exist|available|supported|active)|model_decommissioned|model_deprecated|deploymentnotfound|unknown_model|invalid_model|(?:model|deployment|engine|inference profile)s?\b(?!'s maximum)(?:[^.\n]|\.\S){0,100}\b(?:does not exist|doesn'?t exist|not exist|not found|is not available|not be found|has been (?:decommissioned|deprecated|removed|retired)|is (?:deprecated|retired|no longer|not (?:a valid|supported|found|enabled|accessible|ready to serve))|no longer (?:supported|available)|identifier is invalid|isn[’']?t supported|not loaded|try pulling)|(?:no such|unknown|invalid|unsupported|unrecognized) (?:model|deployment)|(?:invalid|not a valid) model|(?:does not|doesn'?t|don'?t|do not|no) (?:have )?access to (?:the )?(?:model|project|deployment|this model)|(?:does not|doesn'?t) support (?:chat|completions?|generation|generatecontent)|models?\/[^\s]{1,100} is not found|no (?:models? loaded|endpoints found)/) },
  // LM Studio answers 200: "Unexpected endpoint or method. (POST /chat/completions)"
  { name: "endpoint-wrong", code: "endpoint_wrong", when: (layer, reading) => isConfiguration(reading) && either(layer, /unexpected endpoint|(?:unknown|invalid|no such|unrecognized) (?:request url|endpoint|route|path|url)|(?:invalid url|cannot (?:post|get)) |no route matched|method not allowed|unsupported api version|api version not supported|resource not found/) },
  // OpenAI: "Your organization must be verified to stream this model."
  { name: "permission-denied", code: "permission_denied", when: (layer, reading) => isConfiguration(reading) && (reading.status === null || reading.status < 500) && either(layer, /permission_?(?:denied|error)|permissiondenied|accessdenied|access_denied|access denied|insufficient_permissions?|not_authorized|not (?:authorized|allowed|permitted) to|must be verified|insufficient permissions?|you (?:do not|don'?t) have (?:permission|access)|missing scopes|forbidden\b/) },
  // Ollama 500: "model requires more system memory (7.5 GiB) than is available (5.2 GiB)"
  { name: "permanent-server-fact", code: "model_cannot_run", when: (layer) => either(layer, /requires more (?:system |gpu |v?ram |video )?memory|unable to load model|(?:unsupported|unknown) model (?:architecture|format)|not enough (?:gpu |system )?memory to (?:load|run)/) },
  // OpenAI unsupported_parameter, decimal_below_min_value; llama.cpp, vLLM: "extra fields not permitted"
  { name: "parameter-invalid", code: "parameter_invalid", when: (layer, reading) => isConfiguration(reading) && (reading.status === null || reading.status < 500 || labelled(layer, /invalid_request/)) && (either(layer, /unsupported_(?:parameter|value)|invalid_(?:parameter|value|type)|invalidparameter|unknown_parameter|missing_required|below_min|above_max|extra_forbidden|(?:unsupported|unknown|unrecognized|unexpected|unrecognised) (?:request )?(?:parameter|argument|field|keyword|value|option|property)|(?:not supported|unsupported|not permitted|not allowed)\b|invalid (?:value|type|parameter|argument|'[^']{1,60}')|missing (?:required )?(?:parameter|field)|unknown name|extra (?:inputs|fields)|field required|(?:must|should) be (?:a|an|one|in|between|less|greater|at|>|<|>=|<=)|does not support/) || (layer.param !== "" && layer.param !== "none" && !/quota/.test(layer.param))) },
  { name: "rate-limited", code: "rate_limited", when: (layer, reading) => (mayBeServerFault(reading) || reading.status === 403) && says(layer, RATE_TEXT) },
  // Anthropic 529 and in streams: {type: "overloaded_error"}; Gemini: "The model is overloaded."
  { name: "overloaded", code: "overloaded", when: (layer, reading) => labelled(layer, /overloaded|notready|server_busy/) || (mayBeServerFault(reading) && (labelled(layer, OVERLOAD_LABEL) || says(layer, OVERLOAD_TEXT))) },
  { name: "provider-timeout", code: "timeout", when: (layer, reading) => mayBeServerFault(reading) && either(layer, /timeout_error|deadline_exceeded|gatewaytimeout|timed out|\btime-?out\b|took too long/) },
  // In a stream or a 200 there is no status; the label is all that says whose fault it was.
  { name: "server-fault-in-body", code: "provider_error", when: (layer, reading) => (reading.status === null || reading.status < 400) && either(layer, /server_?error|internal_?error|api_error|internalserver|\binternal\b|upstream_?error|server had an error|internal (?:server )?error|provider returned error|upstream|bad gateway|something went wrong|unexpected error|an error occurred|engine/) },
];

/** What is left to say where the words say nothing. */
// oxfmt-ignore
export const STATUS_RULES: readonly Rule[] = [
  { name: "status-402", code: "quota_exhausted", when: ({ status }) => status === 402 },
  { name: "status-429", code: "rate_limited", when: ({ status }) => status === 429 },
  { name: "status-413", code: "request_too_large", when: ({ status }) => status === 413 },
  { name: "status-401", code: "key_invalid", when: ({ status }) => status === 401 || status === 407 },
  { name: "status-403", code: "permission_denied", when: ({ status }) => status === 403 },
  { name: "status-404", code: "endpoint_wrong", when: ({ status }) => status === 404 || status === 405 || status === 410 || status === 501 },
  { name: "status-timeout", code: "timeout", when: ({ status }) => status === 408 || status === 504 || status === 522 || status === 524 },
  { name: "status-conflict", code: "conflict", when: ({ status }) => status === 409 || status === 423 || status === 424 || status === 425 },
  { name: "status-499", code: "aborted", when: ({ status }) => status === 499 || status === 460 },
  { name: "status-overloaded", code: "overloaded", when: ({ status }) => status === 503 || status === 529 },
  { name: "status-5xx", code: "provider_error", when: ({ status }) => status !== null && status >= 500 },
  // An unclear 400 is never retried: the same request gets the same answer.
  { name: "status-4xx", code: "request_rejected", when: ({ status }) => status !== null && status >= 400 },
  { name: "status-3xx", code: "endpoint_wrong", when: ({ status }) => status !== null && status >= 300 },
  // An error event inside a stream comes from a server that had already begun to answer.
  { name: "error-in-stream", code: "provider_error", when: ({ completion }) => completion?.streamed === true && completion.error !== null },
];

/**
 * What is wrong with a store, whoever it is: Redis, Postgres, MySQL, SQLite, MongoDB, an object store, a file system.
 *
 * Loading and saving hear the same errors and mean different things by them, so this file only says what the trouble is;
 * `source-rules.ts` and `storage-rules.ts` say what it means. Codes are asked before sentences: drivers translate
 * sentences, never codes.
 */
import { isAddressTrouble, isCertificateTrouble } from "./network-rules.ts";
import type { Reading } from "./reading.ts";
import { saidAnywhere } from "./reading.ts";

export type StoreTrouble =
  /** Out of reach, restarting, failing over. */
  | "away"
  /** Reached, but held by others: locks, limits of connections, throttling. */
  | "busy"
  | "full"
  | "forbidden"
  /** The place does not exist or is of another kind: a person must fix the configuration. */
  | "misplaced"
  | "missing"
  | "duplicate"
  /** The store looked at this very value and refuses it. */
  | "refused_value"
  | "lock_lost"
  /** Our own code failed while making the document. */
  | "our_code";

interface Sign {
  trouble: StoreTrouble;
  /** Compared with codes and names, anchored and case-sensitive as drivers write them. */
  code?: RegExp;
  /** Compared with everything said, lower case. */
  text?: RegExp;
}

// oxfmt-ignore
const SIGNS: readonly Sign[] = [
  // BullMQ: the result exists, but another worker may own the job by now.
  { trouble: "lock_lost", text: /missing lock for job|lock mismatch|missing key for job|job [^\n]{0,80} is not (?:in the )?active|stale fence|lost (?:the )?lease/ },
  // Redis replies begin with their code: "NOAUTH Authentication required."
  { trouble: "forbidden", text: /^(?:noauth|wrongpass|noperm|denied)\b|err auth|invalid password|password authentication failed|authentication (?:failed|required)|access ?denied|permission denied|not authorized|unauthorized|access control/m },
  { trouble: "misplaced", text: /^(?:moved|ask) \d+ |^(?:crossslot|wrongtype|noproto)\b|err unknown command|err wrong number of arguments|err syntax|db index is out of range|protocol error|^err invalid/m },
  { trouble: "full", text: /^oom\b|^misconf\b|no space left|disk (?:is )?full|database or disk is full|out of memory|used memory > 'maxmemory'|quota exceeded|storage (?:is )?full|minimum free drive/m },
  { trouble: "away", text: /^(?:loading|readonly|clusterdown|masterdown|noreplicas|nomasterlink)\b/m },
  { trouble: "busy", text: /^(?:busy|tryagain|unkillable|noscript|execabort|busygroup)\b|max number of clients reached/m },

  // File systems
  { trouble: "forbidden", code: /^(?:EACCES|EPERM)$/ },
  { trouble: "full", code: /^(?:ENOSPC|EDQUOT|ENOMEM)$/ },
  { trouble: "busy", code: /^(?:EMFILE|ENFILE|EBUSY|EAGAIN|EWOULDBLOCK|ETXTBSY|EINTR|ENOLCK|EDEADLK|ELOCKED)$/ },
  { trouble: "away", code: /^(?:EIO|ESTALE|ENXIO|EREMOTEIO|ENODEV|ENOTCONN)$/ },
  { trouble: "misplaced", code: /^(?:EROFS|ENOTDIR|EISDIR|ELOOP|ENAMETOOLONG|EXDEV|ENOSYS|ENOTSUP|EOPNOTSUPP)$/ },
  { trouble: "missing", code: /^(?:ENOENT|ERR_FS_FILE_NOT_FOUND)$/ },
  { trouble: "duplicate", code: /^(?:EEXIST|ENOTEMPTY)$/ },
  { trouble: "refused_value", code: /^(?:EFBIG|EILSEQ|EINVAL|ERR_FS_FILE_TOO_LARGE|ERR_STRING_TOO_LONG|ERR_INVALID_ARG_\w+)$/ },

  // SQLSTATE, by class; what Postgres drivers pass on as `code`
  { trouble: "full", code: /^(?:53100|53200)$/ },
  { trouble: "busy", code: /^(?:53\w{3}|40\w{3}|55P03|55006|57014)$/ },
  { trouble: "away", code: /^(?:08\w{3}|57P0\d|58\w{3}|25006)$/ },
  { trouble: "forbidden", code: /^(?:28\w{3}|42501)$/ },
  { trouble: "misplaced", code: /^(?:3D000|3F000|42P01|42703|42883|42P\d\d|42\w{3}|0A\w{3}|26\w{3}|34\w{3})$/ },
  { trouble: "duplicate", code: /^23505$/ },
  { trouble: "refused_value", code: /^(?:22\w{3}|23\w{3}|21\w{3}|44\w{3}|54\w{3})$/ },

  // MySQL, MariaDB
  { trouble: "busy", code: /^ER_(?:LOCK_\w+|CON_COUNT_ERROR|TOO_MANY_USER_CONNECTIONS|USER_LIMIT_REACHED|QUERY_TIMEOUT|QUERY_INTERRUPTED|TOO_MANY_CONCURRENT_TRXS|OUT_OF_RESOURCES)$/ },
  { trouble: "full", code: /^ER_(?:DISK_FULL\w*|RECORD_FILE_FULL|ENGINE_OUT_OF_MEMORY)$/ },
  { trouble: "away", code: /^(?:PROTOCOL_CONNECTION_LOST|PROTOCOL_SEQUENCE_TIMEOUT|ER_SERVER_SHUTDOWN|ER_NORMAL_SHUTDOWN|ER_OPTION_PREVENTS_STATEMENT|ER_READ_ONLY_MODE|ER_NET_\w*(?:READ|WRITE|INTERRUPT)\w*|ER_GET_CONNECTION_TIMEOUT|ER_SOCKET_UNEXPECTED_CLOSE)$/ },
  { trouble: "forbidden", code: /^ER_\w*(?:ACCESS_DENIED|NOT_ALLOWED|DENIED)\w*$/ },
  { trouble: "duplicate", code: /^ER_DUP_\w+$/ },
  { trouble: "misplaced", code: /^ER_(?:NO_SUCH_TABLE|BAD_DB_ERROR|BAD_FIELD_ERROR|BAD_TABLE_ERROR|PARSE_ERROR|NO_DB_ERROR|SP_DOES_NOT_EXIST|UNKNOWN_TABLE)$/ },
  { trouble: "refused_value", code: /^ER_(?:DATA_TOO_LONG|TRUNCATED_\w+|NO_REFERENCED_ROW\w*|ROW_IS_REFERENCED\w*|BAD_NULL_ERROR|NET_PACKET_TOO_LARGE|CHECK_CONSTRAINT_VIOLATED|WARN_DATA_OUT_OF_RANGE|INVALID_JSON_TEXT|CANT_CREATE_GEOMETRY_OBJECT)$/ },

  // SQLite, with its extended codes
  { trouble: "busy", code: /^SQLITE_(?:BUSY|LOCKED|PROTOCOL|INTERRUPT|SCHEMA)\w*$/ },
  { trouble: "full", code: /^SQLITE_(?:FULL|NOMEM)$/ },
  { trouble: "away", code: /^SQLITE_IOERR\w*$/ },
  { trouble: "duplicate", code: /^SQLITE_CONSTRAINT_(?:UNIQUE|PRIMARYKEY|ROWID)$/ },
  { trouble: "refused_value", code: /^SQLITE_(?:CONSTRAINT|TOOBIG|MISMATCH|RANGE)\w*$/ },
  { trouble: "forbidden", code: /^SQLITE_(?:READONLY|PERM|AUTH)\w*$/ },
  { trouble: "misplaced", code: /^SQLITE_(?:CANTOPEN|NOTADB|CORRUPT|ERROR|MISUSE|NOLFS)\w*$/ },

  // Prisma
  { trouble: "busy", code: /^P20(?:24|28|34|37)$/ },
  { trouble: "away", code: /^P10(?:01|02|08|17)$/ },
  { trouble: "forbidden", code: /^P10(?:00|10)$/ },
  { trouble: "duplicate", code: /^P2002$/ },
  { trouble: "missing", code: /^P20(?:01|15|18|25)$/ },
  { trouble: "misplaced", code: /^P(?:10(?:03|11|12|13|16)|20(?:21|22)|30\d\d)$/ },
  { trouble: "refused_value", code: /^P20\d\d$/ },

  // MongoDB: the numbers mean this only under a Mongo name
  { trouble: "duplicate", code: /^Mongo\w* 11000$/ },
  { trouble: "forbidden", code: /^Mongo\w* (?:13|18|8000)$/ },
  { trouble: "refused_value", code: /^Mongo\w* (?:121|10334|17280|17419|2|9|14)$/ },
  { trouble: "busy", code: /^Mongo\w* (?:24|50|112|16500|262)$/ },
  { trouble: "away", code: /^Mongo\w* (?:6|7|89|91|189|251|9001|10058|10107|11600|11602|13435|13436)$/ },
  { trouble: "away", code: /^Mongo(?:Network|ServerSelection|NotPrimary|NotConnected|Topology|PoolCleared|WaitQueueTimeout)\w*$/ },

  // Object stores and cloud tables
  { trouble: "busy", code: /^(?:SlowDown|Throttl\w+|TooManyRequests\w*|RequestLimitExceeded|ProvisionedThroughputExceeded\w*|ServerBusy|OperationAborted|TransactionConflict\w*|RequestThrottled\w*|ConcurrentModification\w*)$/ },
  { trouble: "away", code: /^(?:InternalError|InternalServerError|ServiceUnavailable\w*|RequestTimeout|OperationTimedOut|ServiceFailure)$/ },
  { trouble: "full", code: /^(?:QuotaExceeded|XMinioStorageFull|InsufficientStorage|NotEnoughSpace)\w*$/ },
  { trouble: "forbidden", code: /^(?:AccessDenied\w*|AllAccessDisabled|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken\w*|InvalidToken|AuthenticationFailed|AuthorizationFailure|AuthorizationPermissionMismatch|UnrecognizedClientException|CredentialsProviderError|TokenRefreshRequired|RequestTimeTooSkewed|AccountProblem|NotSignedUp|Forbidden|Unauthorized)$/ },
  { trouble: "misplaced", code: /^(?:NoSuchBucket|InvalidBucketName|ContainerNotFound|PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException|ResourceNotFoundException|NotImplemented|MethodNotAllowed|InvalidEndpoint)$/ },
  { trouble: "missing", code: /^(?:NoSuchKey|NoSuchVersion|NotFound|BlobNotFound|ObjectNotFound|NoSuchUpload)$/ },
  { trouble: "duplicate", code: /^(?:BucketAlreadyExists|BlobAlreadyExists|PreconditionFailed|ConditionalCheckFailed\w*)$/ },
  { trouble: "refused_value", code: /^(?:EntityTooLarge|EntityTooSmall|InvalidDigest|BadDigest|InvalidArgument|InvalidRequest|KeyTooLong\w*|MetadataTooLarge|InvalidObjectName|MalformedXML|ValidationException)$/ },

  // Modules and our own code
  { trouble: "misplaced", code: /^(?:ERR_MODULE_NOT_FOUND|MODULE_NOT_FOUND)$/ },

  // ioredis and drivers without codes
  { trouble: "away", code: /^(?:MaxRetriesPerRequestError|ClusterAllFailedError|AbortError|ECONN\w+|EPIPE|ETIMEDOUT|ESOCKETTIMEDOUT|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|ENOTFOUND|EAI_\w+|EADDRNOTAVAIL|UND_ERR_\w+|NR_CLOSED|CONNECTION_(?:CLOSED|ENDED|DESTROYED)|CONNECT_TIMEOUT|TimeoutError|TIMEOUT|ETIMEOUT)$/ },
  { trouble: "refused_value", text: /invalid byte sequence|value too long|too long for (?:type|column)|data too long|out of range for|string data, right truncation|unsupported unicode escape|violates (?:check|not-null|foreign key)|document failed validation|string exceeds|exceeds? (?:the )?maximum (?:allowed )?(?:size|length)|entity too large|request entity/ },
  { trouble: "duplicate", text: /duplicate (?:key|entry)|unique constraint|already exists/ },
  { trouble: "our_code", text: /circular structure|invalid string length|do not know how to serialize|cannot serialize|is not serializable|cyclic object/ },
  { trouble: "away", text: /connection (?:is |was )?(?:terminated|closed|lost|ended|reset|refused|destroyed|timed out|error)|connection terminated|closed the connection|(?:could|can) ?not (?:connect|reach)|can't reach|not connected|client (?:is |was )?(?:closed|offline)|isn't writeable|sentinels? (?:are|is) unreachable|startup nodes|failed to refresh slots|too many cluster redirections|timed? ?out|failover|not (?:primary|master)|read[- ]only (?:transaction|replica|mode)|shutting down|starting up|in recovery mode|terminating connection|service unavailable|temporarily unavailable|socket|broken pipe|network|could not renew lock|max retries per request|reconnect/ },
  { trouble: "busy", text: /deadlock|(?:database|table|row|resource) is locked|lock wait|could not serialize|serialization failure|too many (?:clients|connections|open files|requests)|remaining connection slots|connection pool|throttl|slow ?down|reduce your request rate|rate limit|try (?:again|restarting transaction)|write conflict|server is busy/ },
  { trouble: "forbidden", text: /access key|request signature|signature (?:does|mismatch)|credentials|permission/ },
  { trouble: "misplaced", text: /relation "[^"]{0,100}" does not exist|no such (?:table|bucket|column)|(?:bucket|database|table) (?:does not exist|not found)|unknown database|read-only file ?system|cannot find (?:module|package)/ },
  { trouble: "missing", text: /no such (?:file|key|object)|does not exist|not found|no record|were required but not found/ },
];

export function storeTrouble(reading: Reading): StoreTrouble | null {
  const byStatus = troubleOfStatus(reading.status);
  const codes = codesOf(reading);
  const said = saidAnywhere(reading);
  if (isCertificateTrouble(reading) || isAddressTrouble(reading)) return "misplaced";
  for (const { trouble, code, text } of SIGNS) {
    if (code !== undefined && codes.some((word) => code.test(word))) return trouble;
    // A status is a fact, a sentence around it is not: "not found" in the page of a 503 means nothing.
    if (text !== undefined && byStatus === null && text.test(said)) return trouble;
  }
  return byStatus;
}

function codesOf(reading: Reading): string[] {
  const ofChain = reading.chain.flatMap(({ name, code }) => [code, name, `${name} ${code}`]);
  // An object store's XML error names its code in the body; labels are lower case, so compare the words as written.
  const ofBody = reading.layers.flatMap((layer) => layer.codes);
  return [...ofChain, ...ofBody].filter((word) => word.trim() !== "").slice(0, 60);
}

/** The store, or the webhook an artefact is sent to, speaks HTTP. */
function troubleOfStatus(status: number | null): StoreTrouble | null {
  if (status === null || status < 300) return null;
  if (status === 401 || status === 402 || status === 403 || status === 407 || status === 451)
    return "forbidden";
  if (status === 404 || status === 410) return "missing";
  if (status === 409 || status === 423 || status === 425 || status === 429) return "busy";
  if (status === 507) return "full";
  if (status === 408 || status === 499 || status >= 500) return "away";
  if (status < 400 || status === 405) return "misplaced";
  return "refused_value";
}

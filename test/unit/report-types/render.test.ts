import { describe, expect, test } from "vitest";
import { renderHtml } from "../../../src/report-types/render.ts";
import type { RenderInput } from "../../../src/report-types/render.ts";
import { tableMarkdown } from "../../../src/report-types/table-markdown.ts";

function render(markdown: string, changed: Partial<RenderInput> = {}): string {
  return renderHtml({
    title: "Rivers of Europe",
    markdown,
    report: { id: "rp-0123456789abcdefghijklmno", type: "topic-report" },
    date: "23 November 2026",
    provenance: [{ label: "Charged", value: "10 credits" }],
    ...changed,
  });
}

function bodyOf(html: string): string {
  return /<main>\n([\s\S]*)<\/main>/.exec(html)?.[1] ?? "";
}

test("a delivered document says what it is, which report, when, and where it comes from", () => {
  const html = render("## Rhine\n\nIt flows north.");
  expect(html).toContain("<title>Rivers of Europe</title>");
  expect(html).toContain("<h1>Rivers of Europe</h1>");
  expect(html).toContain("rp-0123456789abcdefghijklmno");
  expect(html).toContain("23 November 2026");
  expect(html).toContain("<dt>Charged</dt><dd>10 credits</dd>");
  expect(bodyOf(html)).toBe('<h2 id="s1">Rhine</h2>\n<p>It flows north.</p>\n');
});

test("a delivered document loads nothing from anywhere and runs nothing", () => {
  const html = render("## A\n\n![map](https://evil.example/pixel.png)\n\n[link](https://example.org)");
  expect(html).toContain("default-src 'none'");
  expect(html).not.toMatch(/<(?:script|link|img|iframe|object|embed|video|audio|base|form)\b/i);
  expect(html).not.toMatch(/@import|url\(|\ssrc=|\son\w+=/i);
  expect(html).not.toContain("evil.example");
  expect(bodyOf(html)).toContain("[image: map]");
});

describe("what a stranger wrote stays text:", () => {
  test.each([
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java&#x73;cript:alert(1))",
    "[a](\u0001javascript:alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](vbscript:msgbox)",
    "[a](file:///etc/passwd)",
    "[a](//evil.example)",
    "![a](javascript:alert(1))",
    "<javascript:alert(1)>",
    "[a]: javascript:alert(1)\n\n[a]",
    '[a](https://example.org "x\\" onmouseover=\\"alert(1)")',
    '```"><script>alert(1)</script>\ncode\n```',
    "<style>body{display:none}</style>",
    "| a |\n|---|\n| <script>alert(1)</script> |",
    "</main></body><script>alert(1)</script>",
    "## <svg onload=alert(1)>",
  ])("%s", (attack) => {
    const body = bodyOf(render(attack));
    const tags = [...body.matchAll(/<\/?([a-z0-9]+)((?:\s+[a-z-]+="[^"]*")*)\s*>/gi)];
    const allowed = ["h2", "p", "a", "em", "pre", "code", "div", "table", "thead", "tbody", "tr", "th", "td"];
    expect(tags.map(([, name]) => name).filter((name) => !allowed.includes(name ?? ""))).toEqual([]);
    const attributes = tags.flatMap(([, , text]) => [...(text ?? "").matchAll(/([a-z-]+)="([^"]*)"/gi)]);
    for (const [, attribute] of attributes)
      expect(["id", "class", "href", "rel", "title"]).toContain(attribute);
    const hrefs = attributes.flatMap(([, attribute, value]) => (attribute === "href" ? value : []));
    expect(hrefs.filter((href) => href !== "https://example.org")).toEqual([]);
    // Every other angle bracket must be escaped.
    const rest = body.replaceAll(/<\/?[a-z0-9]+(?:\s+[a-z-]+="[^"]*")*\s*>/gi, "");
    expect(rest).not.toMatch(/[<>]/);
  });

  test("in the title, the date, the notices and the provenance", () => {
    const evil = '"><script>alert(1)</script>';
    const html = render("text", {
      title: evil,
      date: evil,
      report: { id: evil, type: evil },
      provenance: [{ label: evil, value: evil }],
      unreviewed: [evil],
      missing: [evil],
    });
    expect(html).not.toContain("<script");
    expect(html.match(/&lt;script&gt;/g)).toHaveLength(9);
  });

  test("in the table of contents", () => {
    const html = render(
      ["A", "B", "C", "<b onclick=x>D</b> & `<i>`"].map((title) => `## ${title}`).join("\n\n"),
    );
    expect(html).toContain('<a href="#s4">&lt;b onclick=x&gt;D&lt;/b&gt; &amp; &lt;i&gt;</a>');
  });
});

test("a link leads out without telling where the reader came from", () => {
  expect(bodyOf(render("[a](https://example.org/x?y=1&z=2)"))).toBe(
    '<p><a href="https://example.org/x?y=1&amp;z=2" rel="noopener noreferrer">a</a></p>\n',
  );
  expect(bodyOf(render("[a](mailto:desk@example.org)"))).toContain('href="mailto:desk@example.org"');
});

test("a short document has no table of contents", () => {
  expect(render("## A\n\n## B\n\n## C")).not.toContain("<nav");
  expect(render("## A\n\n## B\n\n## C\n\n## D")).toContain('<a href="#s4">D</a>');
});

test("a reader is told what was not reviewed and what is missing", () => {
  const html = render("text", { unreviewed: ["Rhine"], missing: ["Danube", "Elbe"] });
  expect(html).toContain("This is a partial delivery. Not included: Danube, Elbe.");
  expect(html).toContain("Delivered without an editor&#39;s review: Rhine.");
});

test("a table shows each value as it is, whatever signs are in it", () => {
  const values = [
    "a|b",
    "__proto__",
    "*x*",
    "`c`",
    "[a](b)",
    "<b>",
    "a\\",
    "two\nlines",
    "~~no~~",
    "&amp;",
    "\\|",
  ];
  const html = bodyOf(
    render(
      tableMarkdown(
        ["Name", "Count"],
        values.map((value) => [value, 1]),
      ),
    ),
  );
  const cells = [...html.matchAll(/<td>(.*?)<\/td>/g)].map(([, cell]) => cell);
  expect(cells).toEqual([
    "a|b",
    "__proto__",
    "*x*",
    "`c`",
    "[a](b)",
    "&lt;b&gt;",
    "a\\",
    "two lines",
    "~~no~~",
    "&amp;amp;",
    "\\|",
  ]);
});

test("figures stand on the right, versions and names on the left", () => {
  const table = tableMarkdown(["Name", "Version", "Packages", "Share"], [["a", "1.2", 3, "4.5 %"]]);
  expect(table.split("\n")[1]).toBe("| --- | --- | ---: | ---: |");
  expect(tableMarkdown(["Name"], [])).toBe("None.");
});

/** The console's own stylesheet and script: read once, served under a name that changes with them. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Request, RequestHandler, Response } from "express";

export interface AssetNames {
  css: string;
  script: string;
}

interface Asset {
  path: string;
  type: string;
  text: string;
  tag: string;
}

const YEAR_S = 31_536_000;

export function readAssets(): { names: AssetNames; serve: RequestHandler } {
  const css = read("console.css", "text/css");
  const script = read("console.js", "text/javascript");
  const known = new Map([css, script].map((asset) => [asset.path, asset]));
  return {
    names: { css: css.path, script: script.path },
    serve(request: Request, response: Response, next) {
      const asset = request.method === "GET" ? known.get(request.originalUrl) : undefined;
      if (asset === undefined) {
        next();
        return;
      }
      response.setHeader("Cache-Control", `public, max-age=${YEAR_S}, immutable`);
      response.setHeader("ETag", asset.tag);
      if (request.get("If-None-Match") === asset.tag) {
        response.status(304).end();
        return;
      }
      response.type(asset.type).send(asset.text);
    },
  };
}

function read(name: string, type: string): Asset {
  const text = readFileSync(new URL(`static/${name}`, import.meta.url), "utf8");
  const hash = createHash("sha256").update(text).digest("base64url").slice(0, 12);
  return { path: `/console/assets/${hash}/${name}`, type: `${type}; charset=utf-8`, text, tag: `"${hash}"` };
}

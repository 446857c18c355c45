import { existsSync } from "node:fs";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance, FastifyReply } from "fastify";
import { z } from "zod";
import { NotFoundError } from "../../../runtime/core/errors.ts";
import { parse } from "../answers.ts";
import { PagesNotBuiltError } from "../errors.ts";
import { isApi } from "../security.ts";

const YEAR_MS = 365 * 24 * 60 * 60_000;
const INDEX = "index.html";
const pathParams = z.object({ "*": z.string() });

/**
 * Serves the built pages. A path that is no file is a place inside the console where a browser asks for
 * a page, so it gets the one page, which finds its way from the address.
 *
 * @param webRoot the folder of the web build; if there is none, only the HTTP API works
 */
export async function addPages(app: FastifyInstance, webRoot: string | undefined): Promise<void> {
  const built = webRoot !== undefined && existsSync(join(webRoot, INDEX));
  if (built) await app.register(fastifyStatic, { root: webRoot, serve: false, dotfiles: "ignore", index: false });

  app.get("/*", (request, reply) => {
    if (isApi(request)) throw noSuchPath(request.method, request.url);
    if (!built) {
      throw new PagesNotBuiltError('The console\'s pages are not built. Run "npm run build" and start again.');
    }
    const path = parse(pathParams, request.params, "path")["*"];
    if (path === "" || path === INDEX) {
      sendIndex(reply);
      return;
    }
    // Names below assets/ contain a hash of what is in the file.
    const caching = path.startsWith("assets/") ? { maxAge: YEAR_MS, immutable: true } : { maxAge: 0 };
    reply.sendFile(path, caching);
  });

  app.setNotFoundHandler((request, reply) => {
    const wantsPage = request.method === "GET" && (request.headers.accept ?? "").includes("text/html");
    if (!built || !wantsPage || isApi(request)) throw noSuchPath(request.method, request.url);
    sendIndex(reply.code(200));
  });
}

/**
 * The page names the current build's files, so a browser asks each time whether it has changed. Nothing
 * is returned on purpose: a reply is a thenable, and waiting for it adds listeners to no use.
 */
function sendIndex(reply: FastifyReply): void {
  reply.header("cache-control", "no-cache").sendFile(INDEX, { cacheControl: false });
}

function noSuchPath(method: string, url: string): NotFoundError {
  const path = url.split("?", 1)[0] ?? "/";
  return new NotFoundError(`There is nothing at ${method} ${path.slice(0, 200)}. Check the address.`);
}

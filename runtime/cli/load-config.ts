import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { register } from "tsx/esm/api";
import { ConfigInvalidError, type SignalboxConfig } from "../config.ts";
import { SignalboxError } from "../core/errors.ts";

const NAMES = ["signalbox.config.ts", "signalbox.config.mts", "signalbox.config.js", "signalbox.config.mjs"];

/** There is no configuration file where one was looked for. */
export class ConfigNotFoundError extends SignalboxError {
  static override readonly code = "CONFIG_NOT_FOUND";
}

/** The file that `--config` names, or the one in this folder. @throws {@link ConfigNotFoundError} */
export function findConfig(named: string | undefined): string {
  if (named !== undefined) {
    const path = resolve(named);
    if (existsSync(path)) return path;
    throw new ConfigNotFoundError(`There is no file ${path}. Check the path that --config names.`, {
      details: { path },
    });
  }
  for (const name of NAMES) if (existsSync(name)) return resolve(name);
  throw new ConfigNotFoundError(
    `There is no signalbox.config.ts in ${process.cwd()}. Make one that exports defineConfig({ agents: [...] }), or name it with --config.`,
    { details: { folder: process.cwd() } },
  );
}

/**
 * Loads a configuration, TypeScript included.
 *
 * @throws {@link ConfigInvalidError} if the file cannot be loaded or does not export a configuration.
 */
export async function loadConfig(path: string): Promise<SignalboxConfig> {
  // From source, tsx is there already.
  const fromSource = process.execArgv.some((flag) => flag.includes("tsx"));
  // What every configuration imports: hundreds of files, each of which takes several times as long once tsx looks at it.
  if (!fromSource) await Promise.all([import("../index.ts"), import("../engine/compile-agent.ts"), import("zod")]);
  // What tsx makes of a file stands on one line: without its map no stack would name a place in the developer's code.
  process.setSourceMapsEnabled(true);
  const unregister = fromSource ? undefined : register();
  try {
    const module = (await import(pathToFileURL(path).href)) as { default?: SignalboxConfig };
    if (!module.default || !Array.isArray(module.default.agents)) {
      throw new ConfigInvalidError(
        `${path} does not export a configuration. End it with: export default defineConfig({ agents: [...] });`,
        {
          details: { path },
        },
      );
    }
    return module.default;
  } catch (error) {
    if (error instanceof SignalboxError) throw error;
    const why = isTakenForCommonJs(path)
      ? 'its package.json does not say that the folder holds ES modules. Say so with "npm pkg set type=module", or end its name in ".mts".'
      : error instanceof Error
        ? error.message
        : String(error);
    throw new ConfigInvalidError(`${path} could not be loaded: ${why}`, { details: { path }, cause: error });
  } finally {
    await unregister?.();
  }
}

/** Node decides by the nearest package.json; as CommonJS a configuration cannot import what it needs. */
function isTakenForCommonJs(path: string): boolean {
  return path.endsWith(".ts") && typeOfPackage(dirname(path)) !== "module";
}

function typeOfPackage(folder: string): unknown {
  const file = join(folder, "package.json");
  if (existsSync(file)) {
    try {
      return (JSON.parse(readFileSync(file, "utf8")) as { type?: unknown }).type;
    } catch {
      // What is wrong there, Node's own error says.
      return "module";
    }
  }
  return dirname(folder) === folder ? undefined : typeOfPackage(dirname(folder));
}

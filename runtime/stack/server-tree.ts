import { chmod, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { z } from "zod";
import { exists } from "./files.ts";
import { pgvectorOf } from "./programs.ts";
import { runProgram } from "./run-program.ts";
import { findVersion, isAtLeast, OLDEST } from "./versions.ts";

/** What a finished tree says of itself. Paths are relative to it. */
export const manifestSchema = z.object({
  postgres: z.object({ binFolder: z.string(), version: z.string(), pgvector: z.string() }),
  nats: z.object({ path: z.string(), version: z.string() }),
  suite: z.string(),
  packages: z.record(z.string(), z.string()),
});
export type TreeManifest = z.infer<typeof manifestSchema>;

const POSTGRES_PROGRAMS = ["postgres", "initdb", "pg_ctl", "psql", "pg_dump", "pg_restore", "pg_isready"];
const REMOVED = [
  "usr/share/doc",
  "usr/share/locale",
  "usr/share/man",
  "usr/share/lintian",
  "usr/share/bug",
  "etc",
  "var",
];

/**
 * Makes a tree of unpacked packages ready to run where it is: removes what servers do not need, and
 * puts each program behind a small script that runs it with the tree's own C library, because a
 * program of a newer release does not run with the host's.
 *
 * @returns the programs and versions, each seen to run.
 */
export async function finishTree(tree: string, major: string): Promise<Pick<TreeManifest, "postgres" | "nats">> {
  const binFolder = `usr/lib/postgresql/${major}/bin`;
  await Promise.all(REMOVED.map((name) => rm(join(tree, name), { recursive: true, force: true })));
  await removeJustInTime(join(tree, `usr/lib/postgresql/${major}/lib`));
  const loader = await findLoader(tree);
  for (const name of await readdir(join(tree, binFolder))) {
    const program = join(tree, binFolder, name);
    if (POSTGRES_PROGRAMS.includes(name)) await wrap(tree, program, loader);
    else await rm(program);
  }
  const nats = (await exists(join(tree, "usr/sbin/nats-server"))) ? "usr/sbin/nats-server" : "usr/bin/nats-server";
  await wrap(tree, join(tree, nats), loader);

  const say = async (path: string): Promise<string> => {
    const version = findVersion(await runProgram(join(tree, path), ["--version"]));
    if (version === undefined) throw new Error(`The unpacked ${path} does not say its version.`);
    return version;
  };
  const pgvector = await pgvectorOf(join(tree, binFolder), major);
  const versions = { postgres: await say(`${binFolder}/postgres`), nats: await say(nats), pgvector: pgvector ?? "0" };
  await say(`${binFolder}/initdb`);
  for (const name of ["postgres", "nats", "pgvector"] as const) {
    if (isAtLeast(versions[name], OLDEST[name])) continue;
    throw new Error(`The packages hold ${name} ${versions[name]}; needed is ${OLDEST[name]} or newer.`);
  }
  return {
    postgres: { binFolder, version: versions.postgres, pgvector: versions.pgvector },
    nats: { path: nats, version: versions.nats },
  };
}

async function removeJustInTime(libFolder: string): Promise<void> {
  for (const name of await readdir(libFolder)) {
    if (name === "bitcode" || name.startsWith("llvmjit")) await rm(join(libFolder, name), { recursive: true });
  }
}

/** The dynamic loader of the tree's C library, and the folders of libraries. Relative to the tree. */
interface Loader {
  readonly path: string;
  readonly libraries: readonly string[];
}

async function findLoader(tree: string): Promise<Loader> {
  const libraries: string[] = [];
  let path: string | undefined;
  for (const top of ["usr/lib", "lib"]) {
    for (const triplet of await readdir(join(tree, top)).catch(() => [])) {
      if (!triplet.includes("-linux-")) continue;
      libraries.push(`${top}/${triplet}`);
      const loader = (await readdir(join(tree, top, triplet))).find((name) => /^ld-linux.*\.so\.\d+$/.test(name));
      if (loader !== undefined) path ??= `${top}/${triplet}/${loader}`;
    }
  }
  if (path === undefined) throw new Error("The unpacked packages hold no C library.");
  return { path, libraries };
}

/** `--argv0` lets a program find its neighbours and its files beside the script, not beside the loader. */
async function wrap(tree: string, program: string, loader: Loader): Promise<void> {
  await rename(program, `${program}.real`);
  const up = relative(dirname(program), tree);
  const libraries = loader.libraries.map((folder) => `$tree/${folder}`).join(":");
  const script = `#!/bin/sh
tree=\${0%/*}/${up}
exec "$tree/${loader.path}" --library-path "${libraries}" --argv0 "$0" "$0.real" "$@"
`;
  await writeFile(program, script, { mode: 0o755 });
  await chmod(program, 0o755);
}

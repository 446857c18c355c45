import { execFileSync } from "node:child_process";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { SkipCase, type FaultCase } from "../case.ts";
import { openBooks, type Books } from "../lane.ts";
import type { Scene } from "../scene.ts";
import { FaultPostgres, serverFolder } from "../servers.ts";
import { delay } from "../wait.ts";

const DISK_MB = 96;

/** A disk of its own, small enough to be filled. @returns its folder */
async function smallDisk(scene: Scene): Promise<string> {
  const { user } = scene.lane.programs;
  const folder = await serverFolder(user);
  scene.cleanup(() => rm(folder, { recursive: true, force: true }));
  const owner = user ? `,uid=${String(user.uid)},gid=${String(user.gid)}` : "";
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${String(DISK_MB)}m${owner}`, "none", folder], { stdio: "pipe" });
  } catch (error) {
    throw new SkipCase(`a small disk cannot be mounted here: ${error instanceof Error ? error.message.trim() : "?"}`);
  }
  scene.cleanup(() => {
    execFileSync("umount", ["-l", folder]);
  });
  return folder;
}

interface SmallDatabase {
  readonly postgres: FaultPostgres;
  readonly books: Books;
  /** What takes all the room, once it is filled. */
  readonly ballast: string;
}

/** A database on a small disk, and a worker on it. */
async function smallDatabase(scene: Scene): Promise<SmallDatabase> {
  const folder = await smallDisk(scene);
  const postgres = await FaultPostgres.start(scene.lane.programs, folder, scene.lane.blank);
  scene.cleanup(() => postgres.stop("kill"));
  const books = await openBooks(postgres, "faults");
  scene.cleanup(() => books.close());
  await scene.lane.endWorkers();
  await scene.worker({ databaseUrl: books.url });
  scene.cleanup(() => scene.lane.endWorkers());
  return { postgres, books, ballast: join(folder, "ballast") };
}

/** Writes until nothing more fits. */
async function fill(file: string): Promise<void> {
  const handle = await open(file, "w");
  try {
    for (let bytes = 1_048_576; bytes >= 512;) {
      // A short write or an error: it is full for this size.
      const written = await handle.write(Buffer.alloc(bytes)).then(
        (result) => result.bytesWritten,
        () => 0,
      );
      if (written < bytes) bytes = bytes >> 1;
    }
  } finally {
    await handle.close();
  }
}

export const disk: readonly FaultCase[] = [
  {
    name: "the database's disk is full",
    agents: ["clerk", "teller", "holder", "asker"],
    promise:
      "While Postgres cannot write, nothing is called that would not be on record; with room again, all goes on.",
    guard: {
      none: "What refuses an append, gives a run back, rolls back and reconnects stand in for each other here: with each of them taken out alone, nothing was seen.",
    },
    together: true,
    long: true,
    async run(scene) {
      const { postgres, books, ballast } = await scene.toAll("a small disk", () => smallDatabase(scene));
      scene.books = books;
      scene.terms.doubts = true;
      await scene.startAll("clerk", "teller", "holder", "asker", "clerk");
      await delay(scene.random.between(0, 40));
      await scene.toAll("no room", () => fill(ballast));
      for (let n = 0; n < 4; n++) await scene.start("clerk").catch(() => undefined);
      await delay(scene.random.between(100, 500));
      await scene.toAll("room again", async () => {
        await rm(ballast);
        // Without room for its log it has ended by itself.
        if (!postgres.running) await postgres.start();
      });
    },
  },
];

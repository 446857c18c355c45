import { rm } from "node:fs/promises";
import { NatsBus } from "../../runtime/bus/nats-bus.ts";
import { systemClock } from "../../runtime/core/clock.ts";
import type { Bus } from "../../runtime/core/bus.ts";
import type { Database } from "../../runtime/core/database.ts";
import { openDatabase } from "../../runtime/journal/database.ts";
import { PostgresJournal } from "../../runtime/journal/journal.ts";
import { JournalWriter } from "../../runtime/journal/writer.ts";
import { migrate } from "../../runtime/journal/migrate.ts";
import { Closers } from "../../runtime/platform/closers.ts";
import { administer } from "../support/administer.ts";
import { faultProject, LEASE_MS, type FaultAgent } from "./agents.ts";
import { Bank } from "./bank.ts";
import { FaultNats, FaultPostgres, faultPrograms, serverFolder, type FaultPrograms } from "./servers.ts";
import { WorkerPool, type FaultWorker } from "./workers.ts";
import type { WorkerOrders } from "./worker-process.ts";

/** What workers are told; what is left out is as usual. */
export interface Orders extends Partial<WorkerOrders> {
  /** Which agents they have: each more takes time at every start. */
  readonly agents: readonly FaultAgent[];
}

export const RULES = new URL("./", import.meta.url);
const DATABASE = "faults";
const SPARES = 2;

/** A database on some Postgres, and what starts and looks at runs in it. */
export interface Books {
  readonly postgres: FaultPostgres;
  readonly url: string;
  readonly database: Database;
  readonly journal: PostgresJournal;
  close(): Promise<void>;
}

/**
 * What cases run on, one after the other: servers, a bank and workers of its own. Several lanes share nothing, so
 * their cases do each other no harm.
 */
export class Lane implements AsyncDisposable {
  readonly programs: FaultPrograms;
  readonly nats: FaultNats;
  readonly bank: Bank;
  readonly bus: Bus;
  readonly project = faultProject(RULES);
  /** A cluster that was never started, for a Postgres beside this lane's own. */
  readonly blank: string;
  #books: Books;
  #pool: WorkerPool;
  #workers: FaultWorker[] = [];
  readonly #folder: string;
  #databases = 0;
  #scenes = 0;

  private constructor(parts: {
    programs: FaultPrograms;
    folder: string;
    blank: string;
    nats: FaultNats;
    bank: Bank;
    bus: Bus;
    books: Books;
    bundle: string;
  }) {
    this.programs = parts.programs;
    this.#folder = parts.folder;
    this.blank = parts.blank;
    this.nats = parts.nats;
    this.bank = parts.bank;
    this.bus = parts.bus;
    this.#books = parts.books;
    this.#pool = new WorkerPool(parts.bundle, SPARES);
  }

  static async open(bundle: string): Promise<Lane> {
    const programs = await faultPrograms();
    const folder = await serverFolder(programs.user);
    // What has started by then is ended where something else does not start: nobody else would.
    const started = new Closers();
    started.add(() => rm(folder, { recursive: true, force: true }));
    try {
      const nats = await FaultNats.start(programs, folder);
      started.add(() => nats.stop("SIGKILL"));
      const blank = await FaultPostgres.init(programs, folder);
      const postgres = await FaultPostgres.start(programs, folder, blank);
      started.add(() => postgres.stop("kill"));
      const bank = await Bank.open();
      started.add(() => bank.close());
      const [bus, books] = await Promise.all([
        NatsBus.connect({ access: { servers: [nats.url] }, name: "faults", role: "console" }),
        openBooks(postgres, DATABASE),
      ]);
      return new Lane({ programs, folder, blank, nats, bank, bus, books, bundle });
    } catch (error) {
      await started.close();
      throw error;
    }
  }

  get books(): Books {
    return this.#books;
  }

  get workers(): readonly FaultWorker[] {
    return this.#workers;
  }

  nextScene(): number {
    return ++this.#scenes;
  }

  /** From now on workers are started from this bundle; those that run are ended. */
  async use(bundle: string): Promise<void> {
    await this.endWorkers();
    this.#pool.close();
    this.#pool = new WorkerPool(bundle, SPARES);
  }

  /** So many workers that run well and were told this, and no other. Those that are there are used again. */
  async exactly(count: number, orders: Orders): Promise<FaultWorker[]> {
    const kind = JSON.stringify(orders);
    const usable = this.#workers.filter((worker) => worker.alive && !worker.spoilt && worker.kind === kind);
    const kept = new Set(usable.slice(0, count));
    await Promise.all(this.#workers.filter((worker) => !kept.has(worker)).map((worker) => this.#end(worker)));
    const missing = Math.max(0, count - usable.length);
    const added = await Promise.all(Array.from({ length: missing }, () => this.add(orders)));
    return [...kept, ...added];
  }

  /** One more worker. */
  async add(orders: Orders): Promise<FaultWorker> {
    const kind = JSON.stringify(orders);
    const worker = await this.#pool.take(kind, {
      databaseUrl: this.#books.url,
      natsUrl: this.nats.url,
      bank: this.bank.port,
      rules: RULES.href,
      drainMs: 3_000,
      leaseMs: LEASE_MS,
      take: "all",
      slots: 20,
      clockMs: 0,
      ...orders,
    });
    this.#workers.push(worker);
    return worker;
  }

  async #end(worker: FaultWorker): Promise<void> {
    this.#workers = this.#workers.filter((other) => other !== worker);
    await worker.end();
  }

  async endWorkers(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((worker) => worker.end()));
  }

  /** Ends what a seed has spoilt, and forgets what it has set up. */
  async tidy(): Promise<void> {
    this.bank.clear();
    await Promise.all(
      this.#workers.filter((worker) => worker.spoilt || !worker.alive).map((worker) => this.#end(worker)),
    );
    for (const worker of this.#workers) worker.proxy.clear();
  }

  /** After a violation: nothing of it is left for the next seed. */
  async reset(): Promise<void> {
    this.bank.clear();
    await this.endWorkers();
    const { postgres } = this.#books;
    await this.#books.close();
    if (!postgres.running) await postgres.start();
    await this.nats.lose();
    await this.nats.start();
    this.#databases++;
    this.#books = await openBooks(postgres, `${DATABASE}_${String(this.#databases)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endWorkers();
    this.#pool.close();
    await this.#books.close();
    // It would wait for a server that is gone.
    void this.bus.close().catch(() => undefined);
    await Promise.all([this.#books.postgres.stop("kill"), this.nats.stop("SIGKILL"), this.bank.close()]);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A fresh database with our tables. */
export async function openBooks(postgres: FaultPostgres, name: string): Promise<Books> {
  await administer(postgres.url("postgres"), `create database ${name}`);
  const url = postgres.url(name);
  await migrate(url);
  // What nobody received is sent again after three seconds; with many seeds, a tenth of that is as good.
  await administer(url, "alter table outbox alter column resend_at set default clock_timestamp() + interval '300 ms'");
  const database = openDatabase({ url, applicationName: "faults", max: 4 });
  const writer = new JournalWriter({ url, clock: systemClock });
  const journal = new PostgresJournal({ database, writer, clock: systemClock });
  return {
    postgres,
    url,
    database,
    journal,
    async close() {
      await writer.close().catch(() => undefined);
      await database.end().catch(() => undefined);
    },
  };
}

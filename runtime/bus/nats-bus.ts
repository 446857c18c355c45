import {
  AckPolicy,
  connect,
  ErrorCode,
  Events,
  headers,
  RetentionPolicy,
  StorageType,
  type ConsumerMessages,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  type NatsConnection,
  NatsError,
} from "nats";
import { z } from "zod";
import {
  MAX_TOKEN_TEXT,
  type Bus,
  type IncomingMail,
  type LiveNotice,
  type SignedEnvelope,
  type TokenFrame,
} from "../core/bus.ts";
import { canonicalJson } from "../core/canonical.ts";
import type { NatsAccess } from "../core/stack.ts";
import { BusUnavailableError } from "./errors.ts";

export interface NatsBusOptions {
  readonly access: NatsAccess;
  /** Shown in the server's connection list. */
  readonly name: string;
  /** Only workers make streams and take work; a console listens and gives hints. */
  readonly role: "worker" | "console";
  /** Told of trouble that heals by itself. */
  readonly onTrouble?: (what: string, error: unknown) => void;
}

interface StreamShape {
  readonly name: string;
  readonly subjects: string[];
  readonly storage: StorageType;
  /** Default: gone once handled. */
  readonly retention?: RetentionPolicy;
}

/** Hints may be lost with the server; mail is kept on disk. Both are gone once handled. */
const WORK: StreamShape = { name: "SIGNALBOX_WORK", subjects: ["work.>"], storage: StorageType.Memory };
const MAIL: StreamShape = { name: "SIGNALBOX_MAIL", subjects: ["mail.>"], storage: StorageType.File };
/** What is not tried any more, for whoever wants to be told: nobody has to take it. */
const DEAD: StreamShape = {
  name: "SIGNALBOX_DEAD",
  subjects: ["dead.>"],
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
};

const NANOS_PER_MS = 1_000_000;
const DUPLICATE_WINDOW_MS = 120_000;
const MAX_AGE_MS = 7 * 24 * 3_600_000;
const ACK_WAIT_MS = 30_000;
/** So many messages of one subject are handled at the same time. */
const MOST_AT_ONCE = 32;
const RETRY_MS = 500;
const LONGEST_RETRY_MS = 30_000;

const runIds = z.array(z.uuid());
const notice = z.object({ session: z.string(), heads: z.record(z.string(), z.number()) });

/** Anybody who may publish can write one: nothing in it may be larger than what we send ourselves. */
const tokenFrame = z.object({
  session: z.string(),
  run: z.string(),
  effect: z.string().max(2000),
  node: z.string().max(2000),
  name: z.string().max(500),
  offset: z.int().nonnegative(),
  text: z.string().max(MAX_TOKEN_TEXT),
  done: z.literal(true).optional(),
});

/** The bus on NATS: JetStream for work and mail, plain subjects for what consoles watch. */
export class NatsBus implements Bus {
  readonly #options: NatsBusOptions;
  readonly #connection: NatsConnection;
  readonly #jetstream: JetStreamClient;
  readonly #consumers = new Set<ConsumerMessages>();
  readonly #loops: Promise<void>[] = [];
  readonly #handling = new Set<Promise<void>>();
  #closed = false;
  /** Give up what is being opened again: its server may never answer. */
  readonly #reopening = new Set<() => void>();
  #manager: Promise<JetStreamManager> | null = null;

  private constructor(options: NatsBusOptions, connection: NatsConnection) {
    this.#options = options;
    this.#connection = connection;
    this.#jetstream = connection.jetstream();
  }

  /** @throws {@link BusUnavailableError} if the server cannot be reached or refuses the user. */
  static async connect(options: NatsBusOptions): Promise<NatsBus> {
    const { access } = options;
    try {
      const connection = await connect({
        servers: [...access.servers],
        name: options.name,
        ...(access.user === undefined ? {} : { user: access.user }),
        ...(access.password === undefined ? {} : { pass: access.password }),
        ...(access.inboxPrefix === undefined ? {} : { inboxPrefix: access.inboxPrefix }),
        maxReconnectAttempts: -1,
        reconnectTimeWait: RETRY_MS,
        waitOnFirstConnect: false,
      });
      const bus = new NatsBus(options, connection);
      void bus.#watchConnection();
      return bus;
    } catch (error) {
      throw new BusUnavailableError(
        `NATS cannot be reached at ${access.servers.join(", ")}: ${error instanceof Error ? error.message : String(error)}. Check that the server runs and that NATS_URL names it; "npx signalbox doctor" says what was found.`,
        { cause: error },
      );
    }
  }

  wake(agent: string, runs: readonly string[]): void {
    if (runs.length === 0 || this.#closed) return;
    this.#jetstream.publish(`work.${agent}`, JSON.stringify(runs)).catch((error: unknown) => {
      // The sweeper finds the runs; a hint only makes it sooner. Nobody listening is no trouble at all: no
      // worker has started yet, and each one looks around when it starts.
      if (!isNobodyThere(error)) this.#trouble("wake", error);
    });
  }

  async mail(message: SignedEnvelope, copy = 1): Promise<void> {
    const { id, to, kind, from } = message.envelope;
    const meta = headers();
    meta.set("Signalbox-From", from);
    meta.set("Signalbox-Kind", kind);
    // JetStream would drop a copy with the same id, although the one that it has may be with a worker that died.
    const msgID = copy === 1 ? id : `${id}:${String(copy)}`;
    const publish = (): Promise<unknown> =>
      this.#jetstream.publish(`mail.${to}`, canonicalJson(message), { msgID, headers: meta });
    try {
      await publish();
    } catch (error) {
      if (this.#closed) throw unavailable("mail", error);
      // Most likely the stream is gone: its server was wiped. Make it again and try once more.
      try {
        await this.#ensure(MAIL);
        await publish();
      } catch (again) {
        throw unavailable("mail", again);
      }
    }
  }

  dead(message: SignedEnvelope, reason: string): void {
    if (this.#closed) return;
    const meta = headers();
    meta.set("Signalbox-Reason", reason);
    const publish = (): Promise<unknown> =>
      this.#jetstream.publish(`dead.${message.envelope.to}`, canonicalJson(message), { headers: meta });
    publish()
      .catch(() => this.#ensure(DEAD).then(publish))
      .catch((error: unknown) => {
        this.#trouble("dead", error);
      });
  }

  live(moved: LiveNotice): void {
    if (this.#closed) return;
    try {
      this.#connection.publish(`live.${moved.session}`, JSON.stringify(moved));
    } catch (error) {
      // Consoles look again by themselves.
      this.#trouble("live", error);
    }
  }

  tokens(frame: TokenFrame): void {
    if (this.#closed) return;
    try {
      this.#connection.publish(`live.${frame.session}`, JSON.stringify(frame));
    } catch {
      // Nobody misses them: what was said comes with the record.
    }
  }

  onWake(agent: string, handler: (runs: readonly string[]) => Promise<void>): Promise<void> {
    return this.#consume(WORK, "work", agent, async ({ data }) => {
      const runs = runIds.safeParse(data);
      // Anybody may write there; what is not a hint is set aside, or it would come again for ever.
      if (runs.success) await handler(runs.data);
      else this.#trouble(`a hint on work.${agent} is not a list of runs`, runs.error);
    });
  }

  onMail(agent: string, handler: (mail: IncomingMail) => Promise<void>): Promise<void> {
    return this.#consume(MAIL, "mail", agent, handler);
  }

  onLive(handler: (moved: LiveNotice) => void): Promise<void> {
    return this.#onLiveMessage((data) => {
      const parsed = notice.safeParse(data);
      if (parsed.success) handler(parsed.data);
    });
  }

  onTokens(handler: (frame: TokenFrame) => void): Promise<void> {
    return this.#onLiveMessage((data) => {
      const parsed = tokenFrame.safeParse(data);
      if (parsed.success) handler(parsed.data as TokenFrame);
    });
  }

  #onLiveMessage(handler: (data: unknown) => void): Promise<void> {
    this.#connection.subscribe("live.>", {
      callback: (error, message) => {
        if (!error) handler(tryJson(message.string()));
      },
    });
    return Promise.resolve();
  }

  /** Resolves once NATS answers, or rejects: for health checks. */
  async ping(): Promise<void> {
    await this.#connection.flush();
  }

  /** Consumes for as long as the bus is open; makes stream and consumer again whenever they are gone. */
  async #consume(
    stream: StreamShape,
    kind: "work" | "mail",
    agent: string,
    handler: (mail: IncomingMail) => Promise<void>,
  ): Promise<void> {
    const durable = `${kind}-${agent}`;
    const open = async (): Promise<ConsumerMessages> => {
      const manager = await this.#ensure(stream);
      await manager.consumers.add(stream.name, {
        durable_name: durable,
        filter_subject: `${kind}.${agent}`,
        ack_policy: AckPolicy.Explicit,
        ack_wait: ACK_WAIT_MS * NANOS_PER_MS,
        max_ack_pending: 1000,
      });
      const consumer = await this.#jetstream.consumers.get(stream.name, durable);
      const messages = await consumer.consume({ max_messages: 100, abort_on_missing_resource: true });
      this.#consumers.add(messages);
      // Closing has not waited for it.
      if (this.#closed) await messages.close();
      return messages;
    };
    const handling = new Set<Promise<void>>();
    let messages = await open().catch((error: unknown) => {
      throw new BusUnavailableError(
        `NATS does not give this worker the messages on ${kind}.${agent}: ${error instanceof Error ? error.message : String(error)}. Check that JetStream is enabled and that nothing else has made the consumer ${durable}.`,
        { cause: error },
      );
    });
    this.#loops.push(
      (async () => {
        while (!this.#closed) {
          try {
            for await (const message of messages) {
              while (handling.size >= MOST_AT_ONCE) await Promise.race(handling);
              this.#handle(message, handler, handling);
            }
          } catch (error) {
            this.#trouble(`consuming ${durable}`, error);
          }
          this.#consumers.delete(messages);
          messages = await this.#reopen(open, durable, messages);
        }
      })(),
    );
  }

  async #reopen(
    open: () => Promise<ConsumerMessages>,
    durable: string,
    last: ConsumerMessages,
  ): Promise<ConsumerMessages> {
    while (!this.#closed) {
      try {
        this.#manager = null;
        return await this.#unlessClosed(open, last);
      } catch (error) {
        this.#trouble(`consuming ${durable}`, error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    return last;
  }

  #unlessClosed(open: () => Promise<ConsumerMessages>, last: ConsumerMessages): Promise<ConsumerMessages> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        resolve(last);
      };
      this.#reopening.add(giveUp);
      void open()
        .then(resolve, reject)
        .finally(() => this.#reopening.delete(giveUp));
    });
  }

  #handle(message: JsMsg, handler: (mail: IncomingMail) => Promise<void>, beside: Set<Promise<void>>): void {
    const handling = Promise.resolve()
      .then(() => handler(incoming(message)))
      .then(
        () => {
          message.ack();
        },
        (error: unknown) => {
          this.#trouble(`handling ${message.subject}`, error);
          // The longer the oftener it has failed: what fails for good must not keep the others busy.
          message.nak(Math.min(RETRY_MS * 2 ** (message.info.deliveryCount - 1), LONGEST_RETRY_MS));
        },
      )
      .catch((error: unknown) => {
        // The connection is gone; the message comes again.
        this.#trouble(`acknowledging ${message.subject}`, error);
      });
    this.#handling.add(handling);
    beside.add(handling);
    void handling.finally(() => {
      this.#handling.delete(handling);
      beside.delete(handling);
    });
  }

  async #ensure(stream: StreamShape): Promise<JetStreamManager> {
    this.#manager ??= this.#connection.jetstreamManager();
    let manager: JetStreamManager;
    try {
      manager = await this.#manager;
    } catch (error) {
      this.#manager = null;
      throw error;
    }
    await manager.streams.add({
      name: stream.name,
      subjects: stream.subjects,
      storage: stream.storage,
      retention: stream.retention ?? RetentionPolicy.Workqueue,
      duplicate_window: DUPLICATE_WINDOW_MS * NANOS_PER_MS,
      max_age: MAX_AGE_MS * NANOS_PER_MS,
    });
    return manager;
  }

  /**
   * After a reconnect the server may be a new one with nothing in it. A consumer would notice that its own
   * is gone only by missing heartbeats for half a minute, so all are opened anew at once.
   */
  async #watchConnection(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type !== Events.Reconnect || this.#closed) continue;
      for (const messages of this.#consumers) messages.stop();
    }
  }

  #trouble(what: string, error: unknown): void {
    if (!this.#closed) this.#options.onTrouble?.(what, error);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const giveUp of this.#reopening) giveUp();
    for (const messages of this.#consumers) await messages.close();
    await Promise.all(this.#loops);
    await Promise.all(this.#handling);
    await this.#connection.drain();
  }
}

/** NATS's answer where nothing takes a subject: no stream has been made for it yet. */
function isNobodyThere(error: unknown): boolean {
  const noResponders: string = ErrorCode.NoResponders;
  return error instanceof NatsError && error.code === noResponders;
}

function incoming(message: JsMsg): IncomingMail {
  const { subject, redelivered } = message;
  const text = message.string();
  return { subject, text, data: tryJson(text), bytes: message.data.length, redelivered };
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unavailable(what: string, cause: unknown): BusUnavailableError {
  return new BusUnavailableError(
    `NATS did not take a ${what} message: ${cause instanceof Error ? cause.message : String(cause)}. It is kept in the outbox and sent again.`,
    { cause },
  );
}

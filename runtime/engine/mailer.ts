import { createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from "node:crypto";
import { inspect } from "node:util";
import { z } from "zod";
import { MESSAGE_KINDS, type Bus, type Envelope, type IncomingMail, type SignedEnvelope } from "../core/bus.ts";
import { canonicalJson } from "../core/canonical.ts";
import type { WorkerKey } from "../core/housekeeping.ts";
import type { QuarantineReason } from "../core/messages.ts";
import { actorSchema } from "../core/people.ts";
import { BadMessageError } from "./errors.ts";

const json = z.json() as z.ZodType<Envelope["body"]>;

const envelopeSchema = z.strictObject({
  envelope: z.strictObject({
    v: z.literal(1),
    id: z.uuid(),
    kind: z.enum(MESSAGE_KINDS),
    from: z.string(),
    to: z.string(),
    session: z.uuid(),
    run: z.uuid().nullable(),
    cause: z.strictObject({ seq: z.int().positive(), hash: z.string() }).nullable(),
    target: z.uuid().nullable(),
    effect: z.string(),
    re: z.uuid().exactOptional(),
    topic: z.string().exactOptional(),
    key: z.string().exactOptional(),
    startedBy: actorSchema,
    depth: z.int().nonnegative(),
    deadline: z.number().nullable(),
    budgetLeft: z.number().nullable(),
    labels: z.array(z.string()),
    sentAt: z.number(),
    body: json,
  }),
  worker: z.string(),
  signature: z.base64(),
}) satisfies z.ZodType<SignedEnvelope>;

/** What is looked at before the form: whose message this claims to be, and in which version. */
const claims = z.looseObject({
  envelope: z.looseObject({ v: z.unknown().optional(), id: z.string().optional() }),
  signature: z.unknown().optional(),
});

/** The most that a message may have on NATS, in bytes: the longest body, and room for what is around it. */
const MAX_MESSAGE_BYTES = 1_040_000;

/** Where a worker's public key is found by the worker's id. */
export type KeyDirectory = (worker: string) => Promise<WorkerKey | null>;

interface Known {
  readonly key: KeyObject;
  readonly agents: ReadonlySet<string>;
}

/**
 * Signs and sends the messages of one worker, and checks those of others. The signing key lives as long
 * as the process; its public half is registered in the database, so who can register a worker is who can
 * write to the database.
 */
export class Mailer {
  readonly #worker: string;
  readonly #bus: Pick<Bus, "mail">;
  readonly #key: KeyObject;
  readonly publicKey: string;
  readonly #keys: KeyDirectory;
  readonly #known = new Map<string, Known>();
  readonly #onSendError: (error: unknown) => void;

  constructor(options: {
    readonly worker: string;
    readonly bus: Pick<Bus, "mail">;
    readonly keys: KeyDirectory;
    readonly onSendError: (error: unknown) => void;
  }) {
    this.#worker = options.worker;
    this.#bus = options.bus;
    this.#keys = options.keys;
    this.#onSendError = options.onSendError;
    const pair = generateKeyPairSync("ed25519");
    this.#key = pair.privateKey;
    this.publicKey = pair.publicKey.export({ type: "spki", format: "pem" }).toString();
  }

  sign(envelope: Envelope): SignedEnvelope {
    const signature = sign(null, Buffer.from(canonicalJson(envelope)), this.#key).toString("base64");
    return { envelope, worker: this.#worker, signature };
  }

  /** Publishes what is already in the outbox. If NATS does not take it, the sweeper sends it again. */
  send(messages: readonly SignedEnvelope[]): void {
    for (const message of messages) this.sendCopy(message, 1);
  }

  sendCopy(message: SignedEnvelope, copy: number): void {
    this.#bus.mail(message, copy).catch(this.#onSendError);
  }

  /**
   * Checks a message that came from NATS: its form, its sender's signature, and that the subject it came
   * on is its receiver's.
   *
   * @throws {@link BadMessageError} if anything is off.
   */
  async open(mail: IncomingMail, receivedFor: string): Promise<SignedEnvelope> {
    if (mail.bytes > MAX_MESSAGE_BYTES) {
      throw bad(
        "oversized",
        `It has ${String(mail.bytes)} bytes, and a message has at most ${String(MAX_MESSAGE_BYTES)}.`,
      );
    }
    const read = claims.safeParse(mail.data);
    if (!read.success) throw bad("malformed", "It does not have the form of an envelope.");
    const { envelope, signature } = read.data;
    if (envelope.v !== 1) {
      throw bad(
        "wrong_version",
        `Its envelope has the version ${brief(envelope.v)}, and this release reads version 1.`,
      );
    }
    if (signature === undefined || signature === null || signature === "") throw bad("unsigned", "Nobody signed it.");
    const parsed = parseEnvelope(mail.data);
    if (!parsed)
      throw bad("malformed", "Its envelope is not complete, or has something in it that does not belong there.");
    if (parsed.envelope.to !== receivedFor) {
      throw bad("misdirected", `It is for ${brief(parsed.envelope.to)}, and came to ${receivedFor}.`);
    }
    await this.check(parsed);
    return parsed;
  }

  /**
   * Checks that the worker that a message names signed it, and speaks for its sender.
   *
   * @throws {@link BadMessageError} if not.
   */
  async check({ envelope, worker, signature }: SignedEnvelope): Promise<void> {
    const known = await this.#knownWorker(worker);
    if (!known || !verify(null, Buffer.from(canonicalJson(envelope)), known.key, Buffer.from(signature, "base64"))) {
      throw bad("forged", `It is not signed by the worker that it names, ${brief(worker)}.`);
    }
    // What people publish comes through a console, which has no agents.
    const speaks = envelope.run === null ? known.agents.size === 0 : known.agents.has(envelope.from);
    if (!speaks) throw bad("forged", `The worker ${brief(worker)} does not speak for ${brief(envelope.from)}.`);
  }

  async #knownWorker(worker: string): Promise<Known | null> {
    const known = this.#known.get(worker);
    if (known) return known;
    const found = await this.#keys(worker);
    if (found === null) return null;
    const entry = { key: createPublicKey(found.publicKey), agents: new Set(found.agents) };
    this.#known.set(worker, entry);
    return entry;
  }
}

/** Null for whatever else NATS may bring, however deep or odd. */
function parseEnvelope(data: unknown): SignedEnvelope | null {
  try {
    const parsed = envelopeSchema.parse(data);
    canonicalJson(parsed.envelope);
    return parsed;
  } catch {
    return null;
  }
}

function bad(reason: QuarantineReason, detail: string): BadMessageError {
  return new BadMessageError(reason, detail);
}

/** What somebody else wrote, short enough for a sentence. */
function brief(value: unknown): string {
  const text = typeof value === "string" ? value : inspect(value, { breakLength: Infinity });
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

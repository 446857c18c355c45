import { randomUUID } from "node:crypto";
import { canonicalJson, NotCanonicalError } from "../core/canonical.ts";
import { systemClock } from "../core/clock.ts";
import type { Database } from "../core/database.ts";
import { InvalidInputError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import type { Principal } from "../core/people.ts";
import type { Published } from "../core/messages-protocol.ts";
import { encode } from "../engine/codec.ts";
import { MessageTooLargeError } from "../engine/errors.ts";
import { Mailer } from "../engine/mailer.ts";
import { bodyBytes, MAX_BODY_BYTES } from "../engine/outgoing.ts";
import { createHousekeeping } from "../journal/housekeeping.ts";
import { createMessages } from "../journal/messages.ts";
import { publishFromOutside, type Publication, type PublishContext } from "../operations/publish.ts";

/** Publishes what people and services outside have to say, signed with a key of this process. */
export interface Publisher {
  publish(
    by: Principal,
    publication: Publication,
  ): Promise<{ readonly published: Published; readonly created: boolean }>;
}

/** Makes a key and registers it. It speaks for no agent, and so only for people and services. */
export async function openPublisher(database: Database): Promise<Publisher> {
  const id = `publisher-${String(process.pid)}-${randomUUID().slice(0, 8)}`;
  const housekeeping = createHousekeeping(database);
  const mailer = new Mailer({
    worker: id,
    // A worker's sweep brings what is in the outbox: only workers may publish on NATS.
    bus: { mail: () => Promise.resolve() },
    keys: (worker) => housekeeping.workerKey(worker),
    onSendError: () => undefined,
  });
  await housekeeping.registerWorker({ worker: id, publicKey: mailer.publicKey, leaseMs: 0, versions: new Map() });
  // It takes no work, so nobody is to wait for it.
  await housekeeping.workerGone(id);
  const context: PublishContext = {
    database,
    messages: createMessages({ database, clock: systemClock, budget: 0 }),
    sign: (envelope) => mailer.sign(envelope),
  };
  return {
    publish: async (by, publication) => {
      const body = carried(publication.body, publication.topic);
      return publishFromOutside(context, by, { ...publication, body });
    },
  };
}

/**
 * The body as messages carry it: plain data that looks like a mark of the codec's is taken for plain data.
 *
 * @throws `InvalidInputError`, {@link MessageTooLargeError}
 */
function carried(given: JsonValue, topic: string): JsonValue {
  const body = encoded(given);
  const bytes = bodyBytes(body);
  if (bytes <= MAX_BODY_BYTES) return body;
  throw new MessageTooLargeError(
    `The body has ${String(bytes)} bytes and a message carries at most ${String(MAX_BODY_BYTES)}. Give a reference to large content instead. Nothing was sent.`,
    { details: { topic, bytes } },
  );
}

function encoded(given: JsonValue): JsonValue {
  try {
    canonicalJson(given);
    return encode(given);
  } catch (error) {
    // A RangeError: it is nested more deeply than the stack is.
    const why = error instanceof NotCanonicalError ? error.message : "It is nested too deeply.";
    if (error instanceof NotCanonicalError || error instanceof RangeError) {
      throw new InvalidInputError(`The body cannot be recorded. ${why} Nothing was sent.`, { cause: error });
    }
    throw error;
  }
}

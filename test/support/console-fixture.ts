import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { createConsole, type ConsoleServer } from "../../console/server/index.ts";
import type { LiveNotice, TokenFrame } from "../../runtime/core/bus.ts";
import { NotSignedInError } from "../../runtime/core/errors.ts";
import type { Authenticator, Identity, NewSignIn, Role } from "../../runtime/core/people.ts";
import { claimsWorld } from "./console-fixture-claims.ts";
import type { FixtureSession } from "./console-fixture-journal.ts";
import { FixtureServices } from "./console-fixture-services.ts";

const PEOPLE: Readonly<Record<string, { readonly roles: readonly Role[]; readonly pools: readonly string[] }>> = {
  nadia: { roles: ["operator", "auditor"], pools: ["claims"] },
  maria: { roles: ["operator"], pools: ["claims"] },
  victor: { roles: ["viewer"], pools: ["claims"] },
  // Signed in, but nobody has given this person a role yet.
  newcomer: { roles: [], pools: [] },
};
export const FIXTURE_PASSWORD = "correct horse battery staple";
const HOUR_MS = 3_600_000;

/** Sign-ins in memory: one password for all, one-time codes by hand. */
class FixturePeople implements Authenticator {
  readonly codes = new Map<string, string>();
  readonly #bySecret = new Map<string, Identity>();

  signIn: Authenticator["signIn"] = ({ name, password }) =>
    password === FIXTURE_PASSWORD && name in PEOPLE
      ? Promise.resolve(this.#begin(name))
      : Promise.reject(new NotSignedInError("Name or password is wrong. Check both."));

  signInWithCode: Authenticator["signInWithCode"] = ({ code }) => {
    const name = this.codes.get(code);
    if (name === undefined)
      return Promise.reject(new NotSignedInError("This sign-in link was used already, or is too old."));
    this.codes.delete(code);
    return Promise.resolve(this.#begin(name));
  };

  authenticate: Authenticator["authenticate"] = ({ secret }) => {
    const identity = this.#bySecret.get(secret);
    return identity === undefined
      ? Promise.reject(new NotSignedInError("Your sign-in has ended. Sign in again."))
      : Promise.resolve(identity);
  };

  recheck: Authenticator["recheck"] = (credentials) => {
    const known = [...this.#bySecret.values()].filter(({ credential }) =>
      credentials.some(({ id }) => id === credential.id),
    );
    return Promise.resolve(new Map(known.map((identity) => [identity.credential.id, identity])));
  };

  signOut: Authenticator["signOut"] = (id) => {
    for (const [secret, identity] of this.#bySecret) if (identity.credential.id === id) this.#bySecret.delete(secret);
    return Promise.resolve();
  };

  /** Ends every sign-in, as when they expire. */
  forgetAll(): void {
    this.#bySecret.clear();
  }

  #begin(name: string): NewSignIn {
    const { roles, pools } = PEOPLE[name] ?? { roles: [], pools: [] };
    const secret = randomUUID();
    const credential = { kind: "sign_in", id: randomUUID() } as const;
    const identity: Identity = { name, kind: "person", roles, pools, credential, csrfToken: randomUUID() };
    this.#bySecret.set(secret, identity);
    return { identity, secret, expiresAt: Date.now() + HOUR_MS };
  }
}

/** The console's real server, on claims that were written by hand instead of run. */
export interface ConsoleFixture extends AsyncDisposable {
  readonly url: string;
  readonly services: FixtureServices;
  readonly people: FixturePeople;
  /** Tells the live sockets that a session has moved. */
  notify(session: FixtureSession): void;
  /** A worker tells what a model says. */
  say(frame: TokenFrame): void;
  stop(): Promise<void>;
  /** Starts again on the same port. */
  start(): Promise<void>;
}

export async function startConsoleFixture(webRoot: string, port = 0): Promise<ConsoleFixture> {
  const services = new FixtureServices(claimsWorld(Date.now()), () => Date.now());
  const people = new FixturePeople();
  const handlers = new Set<(notice: LiveNotice) => void>();
  const listeners = new Set<(frame: TokenFrame) => void>();
  const open = (onPort: number): Promise<ConsoleServer> =>
    createConsole({
      people,
      services,
      bus: {
        onLive: (handler) => Promise.resolve(void handlers.add(handler)),
        onTokens: (handler) => Promise.resolve(void listeners.add(handler)),
      },
      port: onPort,
      webRoot,
      log: pino({ level: "silent" }),
      live: { pollMs: 500 },
      signInLimits: { perAddress: 10_000 },
    });
  let server: ConsoleServer | undefined = await open(port);
  const { url } = server;
  const stop = async (): Promise<void> => {
    handlers.clear();
    listeners.clear();
    await server?.close();
    server = undefined;
  };
  return {
    url,
    services,
    people,
    notify: (session) => {
      const heads = Object.fromEntries(session.runs.map((run) => [run.run, run.events.length]));
      for (const handler of handlers) handler({ session: session.session, heads });
    },
    say: (frame) => {
      for (const listener of listeners) listener(frame);
    },
    stop,
    start: async () => {
      server ??= await open(Number(new URL(url).port));
    },
    [Symbol.asyncDispose]: stop,
  };
}

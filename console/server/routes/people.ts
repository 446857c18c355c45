import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Clock } from "../../../runtime/core/clock.ts";
import type { Authenticator, Credential, Identity } from "../../../runtime/core/people.ts";
import { signInBody, type Me } from "../../../runtime/core/protocol.ts";
import { parse } from "../answers.ts";
import { cookieName } from "../credentials.ts";
import { NotASignInError } from "../errors.ts";
import { identityOf } from "../security.ts";
import { SignInLimiter, type SignInLimits } from "../sign-in-limit.ts";

/** Nobody has signed in yet when this much is read. */
const SIGN_IN_BODY_BYTES = 8 * 1024;

export function addPeopleRoutes(
  app: FastifyInstance,
  options: {
    readonly people: Authenticator;
    readonly clock: Clock;
    readonly limits: SignInLimits;
    /** Tells the live sockets. */
    readonly onSignOut: (credential: Credential) => void;
  },
): void {
  const { people, clock } = options;
  const limiter = new SignInLimiter(clock, options.limits);

  app.post("/api/sign-in", { bodyLimit: SIGN_IN_BODY_BYTES }, async (request, reply): Promise<Me> => {
    const body = parse(signInBody, request.body, "sign-in");
    limiter.count(request.ip, "name" in body ? body.name : "");
    const from = { address: request.ip, userAgent: request.headers["user-agent"] ?? "" };
    const made = await ("name" in body ? people.signIn({ ...body, from }) : people.signInWithCode({ ...body, from }));
    reply.setCookie(cookieName(request.raw), made.secret, {
      ...cookieOptions(request),
      expires: new Date(made.expiresAt),
    });
    request.log.info({ user: made.identity.name, how: "name" in body ? "password" : "code" }, "signed in");
    return toMe(made.identity);
  });

  app.post("/api/sign-out", async (request, reply) => {
    const { credential, name } = identityOf(request);
    if (credential.kind !== "sign_in") {
      throw new NotASignInError(
        'This request came with a token, which is not a sign-in. Revoke it with "signalbox users token revoke".',
      );
    }
    await people.signOut(credential.id);
    options.onSignOut(credential);
    request.log.info({ user: name }, "signed out");
    return reply.clearCookie(cookieName(request.raw), cookieOptions(request)).code(204).send();
  });

  app.get("/api/me", (request): Me => toMe(identityOf(request)));
}

function toMe(identity: Identity): Me {
  const { name, kind, roles, pools, csrfToken } = identity;
  return { name, kind, roles, pools, csrfToken: csrfToken ?? "" };
}

/** `Secure` only behind TLS: without, some browsers would not send the cookie back to plain loopback. */
function cookieOptions(request: FastifyRequest) {
  const secure = request.headers.origin?.startsWith("https://") ?? false;
  return { path: "/", httpOnly: true, sameSite: "strict", secure } as const;
}

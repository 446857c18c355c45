import { z } from "zod";

/** Who caused something: a person, a service account, an agent's run, or Signalbox itself. */
export const actorSchema = z.object({
  kind: z.enum(["person", "service", "agent", "system"]),
  /** The user's name, the agent's name, or the name of the part of Signalbox. */
  id: z.string(),
});
export type Actor = z.infer<typeof actorSchema>;

/** What a user may do. `viewer` reads, `operator` also decides, `auditor` also verifies and exports, `admin` also manages people. */
export const ROLES = ["viewer", "operator", "auditor", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** A known user: a person or a service account, with what they may do now. */
export interface Principal {
  readonly name: string;
  readonly kind: "person" | "service";
  readonly roles: readonly Role[];
  /** The pools whose approvals they may decide. */
  readonly pools: readonly string[];
}

/** How a user is named in the record. */
export function actorOf(principal: Pick<Principal, "name" | "kind">): Actor {
  return { kind: principal.kind, id: principal.name };
}

/** What vouches for a user: a row of the sign-ins or of the tokens. */
export interface Credential {
  readonly kind: "sign_in" | "token";
  readonly id: string;
}

/** A user whose secret was just checked. */
export interface Identity extends Principal {
  readonly credential: Credential;
  /** For a sign-in: what a browser sends back with requests that change something. A token needs none. */
  readonly csrfToken: string | null;
}

/** A secret as it came in: a sign-in's from a cookie, a token's from an `Authorization` header. */
export type PresentedSecret =
  { readonly kind: "cookie"; readonly secret: string } | { readonly kind: "bearer"; readonly secret: string };

/** Where a sign-in came from, for the list of sign-ins. */
export interface SignInOrigin {
  readonly address: string;
  readonly userAgent: string;
}

export interface NewSignIn {
  readonly identity: Identity;
  /** Goes into the cookie; only its hash is kept here. */
  readonly secret: string;
  readonly expiresAt: number;
}

/** What a server needs to know who is there. The people folder implements it; errors are documented there. */
export interface Authenticator {
  signIn(input: { readonly name: string; readonly password: string; readonly from: SignInOrigin }): Promise<NewSignIn>;
  signInWithCode(input: { readonly code: string; readonly from: SignInOrigin }): Promise<NewSignIn>;
  /** @throws `NotSignedInError` if the secret is unknown, expired, ended or revoked, or its user is disabled. */
  authenticate(presented: PresentedSecret): Promise<Identity>;
  /** Which of these still vouch for somebody, and for whom with which roles and pools, by credential id. */
  recheck(credentials: readonly Credential[]): Promise<ReadonlyMap<string, Principal>>;
  /** Ends one sign-in. Ending it again changes nothing. */
  signOut(id: string): Promise<void>;
}

import type { Database } from "../core/database.ts";
import { randomIds, type Ids } from "../core/ids.ts";
import type { Authenticator, Role } from "../core/people.ts";
import { authenticate, recheck } from "./authenticate.ts";
import { DEFAULT_PEOPLE_SETTINGS, type PeopleContext, type PeopleSettings } from "./context.ts";
import { addToPool, listPools, removeFromPool, type Pool } from "./pools.ts";
import { newSecret } from "./secrets.ts";
import { createSignInCode, signIn, signInWithCode, signOut } from "./sign-ins.ts";
import { createToken, listTokens, revokeToken, type NewToken, type Token } from "./tokens.ts";
import {
  addUser,
  disableUser,
  enableUser,
  findUser,
  listUsers,
  setPassword,
  setRoles,
  somebodyHas,
  type NewUser,
  type User,
} from "./users.ts";

/** Users, pools, sign-ins and tokens. What each function throws is said where it is defined. */
export interface People extends Authenticator {
  addUser(user: NewUser): Promise<User>;
  findUser(name: string): Promise<User>;
  listUsers(): Promise<User[]>;
  setRoles(name: string, roles: readonly Role[]): Promise<User>;
  setPassword(name: string, password: string): Promise<void>;
  disableUser(name: string): Promise<User>;
  enableUser(name: string): Promise<User>;
  somebodyHas(role: Role): Promise<boolean>;
  addToPool(pool: string, user: string): Promise<{ readonly poolMade: boolean }>;
  removeFromPool(pool: string, user: string): Promise<void>;
  listPools(): Promise<Pool[]>;
  createSignInCode(user: string): Promise<{ readonly code: string; readonly expiresAt: number }>;
  createToken(token: NewToken): Promise<{ readonly token: Token; readonly secret: string }>;
  listTokens(user?: string): Promise<Token[]>;
  revokeToken(user: string, name: string): Promise<Token>;
}

export interface PeopleOptions {
  readonly database: Database;
  readonly ids?: Ids;
  readonly settings?: Partial<PeopleSettings>;
}

/** Binds the functions of this folder to a database. Opens nothing and owns nothing. */
export function createPeople(options: PeopleOptions): People {
  const context: PeopleContext = {
    database: options.database,
    ids: options.ids ?? randomIds,
    newSecret,
    settings: { ...DEFAULT_PEOPLE_SETTINGS, ...options.settings },
  };
  return {
    addUser: (user) => addUser(context, user),
    findUser: (name) => findUser(context, name),
    listUsers: () => listUsers(context),
    setRoles: (name, roles) => setRoles(context, name, roles),
    setPassword: (name, password) => setPassword(context, name, password),
    disableUser: (name) => disableUser(context, name),
    enableUser: (name) => enableUser(context, name),
    somebodyHas: (role) => somebodyHas(context, role),
    addToPool: (pool, user) => addToPool(context, pool, user),
    removeFromPool: (pool, user) => removeFromPool(context, pool, user),
    listPools: () => listPools(context),
    createSignInCode: (user) => createSignInCode(context, user),
    createToken: (token) => createToken(context, token),
    listTokens: (user) => listTokens(context, user),
    revokeToken: (user, name) => revokeToken(context, user, name),
    signIn: (input) => signIn(context, input),
    signInWithCode: (input) => signInWithCode(context, input),
    authenticate: (presented) => authenticate(context, presented),
    recheck: (credentials) => recheck(context, credentials),
    signOut: (id) => signOut(context, id),
  };
}

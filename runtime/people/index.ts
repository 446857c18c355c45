export { createPeople, type People, type PeopleOptions } from "./people.ts";
export type { PeopleSettings } from "./context.ts";
export { welcomeLocalOperator, type LocalOperator } from "./local-operator.ts";
export type { NewUser, User } from "./users.ts";
export type { NewToken, Token } from "./tokens.ts";
export type { Pool } from "./pools.ts";
export * as commands from "./commands.ts";

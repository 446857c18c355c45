/** The stack: a ready Postgres and NATS, named or private, and what doctor says of them. */
export { findRunningStack, startStack } from "./start-stack.ts";
export type { ServerDescription, Stack, StackAccess, StackOptions } from "./start-stack.ts";
export { checkPostgres } from "./named-postgres.ts";
export { removeDataFolder } from "./data-folder.ts";
export { fetchServers } from "./fetch-servers.ts";
export { doctor } from "./doctor.ts";
export type { DoctorCheck, DoctorOptions, DoctorReport } from "./doctor.ts";

export { createConsole, type ConsoleOptions, type ConsoleServer } from "./server.ts";

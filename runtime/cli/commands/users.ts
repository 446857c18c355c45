import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import { commands, type People } from "../../people/index.ts";
import { connect, globalOptions } from "../context.ts";
import { print, progress } from "../output.ts";

type Answer = Awaited<ReturnType<typeof commands.usersList>>;

/** `users …`: who may sign in, and what they may do. */
export function addUserCommands(program: Command): void {
  const users = program.command("users").description("people and service accounts");
  const act = async (command: Command, work: (people: People) => Promise<Answer>): Promise<void> => {
    const global = globalOptions(command);
    await using session = await connect(global);
    const { data, text } = await work(session.people);
    print(global.json, data, () => text);
  };
  users
    .command("add")
    .description("add a person or a service account")
    .argument("<name>")
    .option("--role <roles>", "viewer, operator, auditor, admin; with commas between them", listed, "")
    .option("--pool <pools>", "the pools whose approvals they decide; with commas between them", listed, "")
    .option("--service", "a service account, which has tokens and no password")
    .action((name: string, options: { role: string; pool: string; service?: boolean }, command: Command) =>
      act(command, (people) =>
        commands.usersAdd(people, {
          name,
          roles: options.role,
          pools: options.pool,
          service: options.service === true,
        }),
      ),
    );
  users
    .command("ls")
    .description("list users")
    .action((_options: unknown, command: Command) => act(command, (people) => commands.usersList(people)));
  users
    .command("roles")
    .description("set what a user may do")
    .argument("<name>")
    .requiredOption("--role <roles>", "viewer, operator, auditor, admin; with commas between them", listed)
    .action((name: string, options: { role: string }, command: Command) =>
      act(command, (people) => commands.usersRoles(people, name, options.role)),
    );
  for (const [name, work, description] of [
    ["disable", commands.usersDisable, "end a user's sign-ins and tokens"],
    ["enable", commands.usersEnable, "let a disabled user sign in again"],
  ] as const) {
    users
      .command(name)
      .description(description)
      .argument("<name>")
      .action((user: string, _options: unknown, command: Command) => act(command, (people) => work(people, user)));
  }
  users
    .command("password")
    .description("set a person's password, read from standard input")
    .argument("<name>")
    .action(async (name: string, _options: unknown, command: Command) => {
      const password = await readSecret(`New password for ${name}: `);
      await act(command, (people) => commands.usersPassword(people, name, password));
    });
  users
    .command("link")
    .description("make a one-time sign-in link")
    .argument("<name>")
    .option("--url <url>", "where the console is", "http://127.0.0.1:4400")
    .action((name: string, options: { url: string }, command: Command) =>
      act(command, (people) => commands.usersLink(people, name, options.url)),
    );
  users
    .command("token")
    .description("make a token, for the CLI or a service")
    .argument("<name>")
    .requiredOption("--name <token>", "what the token is for")
    .option("--role <roles>", "fewer roles than the user has", listed)
    .option("--expires <duration>", "for example 30d or 12h", "30d")
    .action((user: string, options: { name: string; role?: string; expires: string }, command: Command) =>
      act(command, (people) =>
        commands.usersToken(people, {
          user,
          name: options.name,
          expires: options.expires,
          ...(options.role === undefined ? {} : { roles: options.role }),
        }),
      ),
    );
  users
    .command("tokens")
    .description("list tokens")
    .argument("[name]")
    .action((name: string | undefined, _options: unknown, command: Command) =>
      act(command, (people) => commands.usersTokens(people, name)),
    );
  users
    .command("revoke")
    .description("revoke a token")
    .argument("<name>")
    .argument("<token>")
    .action((name: string, token: string, _options: unknown, command: Command) =>
      act(command, (people) => commands.usersRevokeToken(people, name, token)),
    );
  users
    .command("pool")
    .description("list pools, or put a user into one")
    .argument("[name]")
    .argument("[pool]")
    .option("--remove", "take the user out")
    .action((name: string | undefined, pool: string | undefined, options: { remove?: boolean }, command: Command) =>
      act(command, (people) =>
        name === undefined || pool === undefined
          ? commands.usersPool(people)
          : commands.usersPool(people, { user: name, pool, remove: options.remove === true }),
      ),
    );
}

/** A line from standard input. A terminal does not show what is typed. */
async function readSecret(prompt: string): Promise<string> {
  const terminal = process.stdin.isTTY;
  progress(prompt);
  const lines = createInterface({ input: process.stdin, terminal });
  for await (const line of lines) {
    lines.close();
    return line;
  }
  return "";
}

/** Said several times, or with commas between: the same. */
function listed(names: string, before: string | undefined): string {
  return before === undefined || before === "" ? names : `${before},${names}`;
}

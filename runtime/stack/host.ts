import { readFile } from "node:fs/promises";
import { arch, platform, release } from "node:os";

/** What is known of the system that we run on. */
export interface Host {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  /** For people, for example "Debian GNU/Linux 12 (bookworm)". */
  readonly name: string;
  /** `ID` and `ID_LIKE` of os-release: the most particular first. Empty where there is no os-release. */
  readonly families: readonly string[];
  /** Set on Debian, Ubuntu and what is built from them: whose packages fit here. */
  readonly distribution: { readonly id: "debian" | "ubuntu"; readonly codename: string } | undefined;
}

/** Looks at the system. Never throws. */
export async function readHost(): Promise<Host> {
  const texts = ["/etc/os-release", "/usr/lib/os-release"].map((file) => readFile(file, "utf8").catch(() => ""));
  const [etc = "", usr = ""] = await Promise.all(texts);
  return describeHost(platform(), arch(), release(), etc === "" ? usr : etc);
}

/** The pure part of {@link readHost}: `osRelease` is the text of os-release(5), or empty. */
export function describeHost(system: NodeJS.Platform, cpu: string, kernel: string, osRelease: string): Host {
  const fields = parseOsRelease(osRelease);
  const families = [fields["ID"] ?? "", ...(fields["ID_LIKE"] ?? "").split(" ")].filter((word) => word !== "");
  return {
    platform: system,
    arch: cpu,
    name: fields["PRETTY_NAME"] ?? `${system} ${kernel}`,
    families,
    distribution: system === "linux" ? distributionOf(families, fields) : undefined,
  };
}

/** Derivatives of Ubuntu name the suite that they are built on; those of Debian sometimes do. */
function distributionOf(families: readonly string[], fields: Readonly<Record<string, string>>): Host["distribution"] {
  const own = fields["VERSION_CODENAME"];
  if (families[0] === "debian" && own) return { id: "debian", codename: own };
  if (families[0] === "ubuntu" && own) return { id: "ubuntu", codename: own };
  if (fields["UBUNTU_CODENAME"]) return { id: "ubuntu", codename: fields["UBUNTU_CODENAME"] };
  if (fields["DEBIAN_CODENAME"]) return { id: "debian", codename: fields["DEBIAN_CODENAME"] };
  return undefined;
}

function parseOsRelease(text: string): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const match = /^([A-Z_]+)=(?:"(.*)"|'(.*)'|(.*))$/.exec(line.trim());
    if (match) fields[match[1] ?? ""] = match[2] ?? match[3] ?? match[4] ?? "";
  }
  return fields;
}

const COMMANDS: readonly (readonly [family: string, command: string])[] = [
  ["fedora", "sudo dnf install postgresql-server pgvector, and nats-server from https://nats.io"],
  [
    "rhel",
    "sudo dnf install postgresql17-server pgvector_17 (from the PostgreSQL project), and nats-server from https://nats.io",
  ],
  ["alpine", "sudo apk add postgresql17 postgresql-pgvector nats-server"],
  ["arch", "sudo pacman -S postgresql pgvector nats-server"],
  ["suse", "sudo zypper install postgresql17-server postgresql17-pgvector nats-server"],
  ["opensuse", "sudo zypper install postgresql17-server postgresql17-pgvector nats-server"],
  ["debian", "sudo apt install nats-server postgresql-17 postgresql-17-pgvector (Debian 13 or newer has all three)"],
  ["ubuntu", "sudo apt install nats-server postgresql-16 postgresql-16-pgvector (Ubuntu 24.04 or newer has all three)"],
];

/** What a person can do on this system to have the servers: one sentence, in the imperative. */
export function installHint(host: Host): string {
  const compose = "or run `docker compose up`, or set DATABASE_URL and NATS_URL to servers that you have";
  if (host.platform === "darwin") return `Run brew install nats-server postgresql@17 pgvector, ${compose}.`;
  if (host.platform === "win32") return `Use Signalbox inside WSL, ${compose}.`;
  const known = host.families.map((family) => COMMANDS.find(([name]) => name === family)).find((entry) => entry);
  if (known) return `Run ${known[1]}, ${compose}.`;
  return `Install nats-server 2.10 or newer and PostgreSQL 15 or newer with pgvector, ${compose}.`;
}

import { expect, test } from "vitest";
import { describeHost, installHint } from "../../../runtime/stack/host.ts";

const DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n';
const MINT =
  'PRETTY_NAME="Linux Mint 22"\nID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n';
const FEDORA = 'PRETTY_NAME="Fedora Linux 43"\nID=fedora\n';
const ALPINE = 'PRETTY_NAME="Alpine Linux v3.22"\nID=alpine\n';

test("the host - a Debian is known by its codename", () => {
  const host = describeHost("linux", "x64", "6.1", DEBIAN);
  expect(host.distribution).toEqual({ id: "debian", codename: "bookworm" });
  expect(host.name).toBe("Debian GNU/Linux 12 (bookworm)");
});

test("the host - what is made from Ubuntu counts as the Ubuntu that it is made from", () => {
  expect(describeHost("linux", "x64", "6.8", MINT).distribution).toEqual({ id: "ubuntu", codename: "noble" });
});

test("the host - other systems have no packages that fit", () => {
  for (const text of [FEDORA, ALPINE, "", 'ID="unclosed\nnonsense']) {
    expect(describeHost("linux", "x64", "6.8", text).distribution).toBeUndefined();
  }
  expect(describeHost("darwin", "arm64", "25.0", DEBIAN).distribution).toBeUndefined();
});

test.each([
  ["darwin", "", "brew install"],
  ["win32", "", "WSL"],
  ["linux", DEBIAN, "apt install"],
  ["linux", MINT, "apt install"],
  ["linux", FEDORA, "dnf install"],
  ["linux", ALPINE, "apk add"],
  ["linux", "ID=manjaro\nID_LIKE=arch\n", "pacman -S"],
  ["linux", 'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n', "zypper install"],
  ["linux", "ID=something\n", "Install nats-server 2.10"],
] as const)("the install hint - fits the system (%s %j: %s)", (platform, osRelease, part) => {
  const hint = installHint(describeHost(platform, "x64", "1", osRelease));
  expect(hint).toContain(part);
  expect(hint).toContain("docker compose up");
  expect(hint).toContain("DATABASE_URL");
});

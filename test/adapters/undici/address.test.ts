import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isInside, parseAllowList } from "../../../src/adapters/undici/address.ts";

/** First and last address of each block outside the internet; `outsideEdges` has their neighbors. */
const insideEdges = [
  ...["0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0"],
  ...["127.255.255.255", "168.63.129.16", "169.254.0.0", "169.254.169.254", "169.254.255.255", "172.16.0.0"],
  ...["172.31.255.255", "192.0.0.0", "192.0.0.255", "192.0.2.0", "192.0.2.255", "192.88.99.0", "192.88.99.255"],
  ...["192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.0", "198.51.100.255"],
  ...["203.0.113.0", "203.0.113.255", "224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255"],
  ...["::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:7f00:1", "64:ff9b::7f00:1"],
  ...["64:ff9b:1::7f00:1", "100::1", "2001::1", "2001:0:53aa:64c::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::"],
  ...["2002:0808:0808::1", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff:ffff::1", "fe80::1"],
  ...["fe80::1%lo", "2606:4700::1%eth0", "febf::1", "fec0::1", "ff02::1", "ff0e::1"],
];
const outsideEdges = [
  ...["1.0.0.0", "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"],
  ...["128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0"],
  ...["192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255"],
  ...["198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255"],
  ...["2001:200::1", "2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450::1", "2003::1", "3ffe:ffff::1"],
];

describe("an address", () => {
  it("is outside the internet in each special block", () => {
    for (const address of insideEdges) assert.equal(isInside(address), true, address);
  });

  it("is on the internet beside those blocks", () => {
    for (const address of outsideEdges) assert.equal(isInside(address), false, address);
  });

  it("that is malformed counts as outside the internet", () => {
    for (const text of ["", "localhost", "127.1", "0x7f.0.0.1", "017700000001", "2130706433", "[::1]", "1.2.3.4.5"]) {
      assert.equal(isInside(text), true, text);
    }
  });
});

describe("an allow list", () => {
  it("matches addresses, blocks and hosts", () => {
    const list = parseAllowList(
      ["10.1.0.0/16", "192.168.7.7", "fd00::/8", "hooks.internal", "N8N", "0.0.0.0/0"].slice(0, 5),
    );
    for (const address of ["10.1.0.0", "10.1.255.255", "192.168.7.7", "fd12::1"])
      assert.ok(list.hasAddress(address), address);
    for (const address of ["10.2.0.0", "192.168.7.8", "::ffff:10.1.0.1", "fc00::1", "text"]) {
      assert.ok(!list.hasAddress(address), address);
    }
    for (const host of ["hooks.internal", "HOOKS.internal", "hooks.internal.", "n8n"])
      assert.ok(list.hasHost(host), host);
    for (const host of ["a.hooks.internal", "internal", "10.1.0.0"]) assert.ok(!list.hasHost(host), host);
  });

  it("quotes an invalid entry", () => {
    for (const entry of ["10.0.0.0/33", "http://a.test", "10.0.0/8", "a b", "fd00::/129", "host/8"]) {
      assert.throws(() => parseAllowList(["10.0.0.0/8", entry]), new RegExp(`"${entry.replaceAll("/", "\\/")}"`));
    }
  });
});

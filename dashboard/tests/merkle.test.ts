import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { includes, join, leafOf, Tree } from "../src/verify/merkle.ts";

// Of the tests of https://github.com/google/certificate-transparency (merkletree), as are the roots.
const ENTRIES = [
  ...["", "00", "10", "2021", "3031", "40414243", "5051525354555657"],
  "606162636465666768696a6b6c6d6e6f",
].map(hexToBytes);
const ROOTS = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const LEAVES = Array.from({ length: 70 }, (_, at) => leafOf(Uint8Array.of(at)));

/** The root, and an index' proof, as section 2.1 of RFC 6962 defines them. */
function defined(leaves: Uint8Array[], index = 0): { root: Uint8Array; proof: Uint8Array[] } {
  if (leaves.length === 1) return { root: leaves[0] ?? new Uint8Array(), proof: [] };
  const split = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  const one = defined(left, index < split ? index : 0);
  const other = defined(right, index < split ? 0 : index - split);
  const proof = index < split ? [...one.proof, other.root] : [...other.proof, one.root];
  return { root: join(one.root, other.root), proof };
}

function grown(tree: Tree, leaves: Uint8Array[]): Tree {
  for (const leaf of leaves) tree.grow(leaf);
  return tree;
}

test("public vectors", () => {
  const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  assert.equal(bytesToHex(new Tree().root), empty);
  const tree = new Tree();
  ENTRIES.forEach((entry, at) => {
    tree.grow(leafOf(entry));
    assert.equal(bytesToHex(tree.root), ROOTS[at]);
    assert.equal(bytesToHex(tree.root), ROOTS[at], "to ask for it changes nothing");
  });
});

test("a tree goes on from its peaks, whatever its size", () => {
  for (let size = 0; size <= LEAVES.length; size++) {
    const begun = grown(new Tree(), LEAVES.slice(0, size));
    const on = grown(new Tree(size, begun.peaks), LEAVES.slice(size));
    assert.deepEqual(on.root, defined(LEAVES).root, `${size}`);
  }
  for (const [size, peaks] of [
    [0, "00".repeat(32)],
    [3, "00".repeat(32)],
    [4, ""],
    [2 ** 53 - 1, "00".repeat(32 * 52)],
    [1, "00".repeat(31)],
    [1, "zz".repeat(32)],
  ] as const) {
    assert.throws(() => new Tree(size, peaks), Error, `${size}`);
  }
  assert.equal(new Tree(2 ** 53 - 1, "00".repeat(32 * 53)).peaks.length, 64 * 53);
});

test("a proof shows its leaf at its index, and nothing else", () => {
  for (let size = 1; size <= 20; size++) {
    for (let index = 0; index < size; index++) {
      const { root, proof } = defined(LEAVES.slice(0, size), index);
      const leaf = LEAVES[index] ?? root;
      assert.equal(includes(leaf, index, size, proof, root), true, `${index} of ${size}`);
      for (const [at, of, other] of [
        [index + 1, size, proof],
        [index - 1, size, proof],
        [index, size, proof.slice(1)],
        [index, size, [...proof, root]],
        [index, size, proof.toReversed()],
        [size, size, proof],
      ] as const) {
        if (other !== proof && other.join() === proof.join()) continue;
        assert.equal(includes(leaf, at, of, other, root), false, `${at} of ${of}`);
      }
      assert.equal(includes(root, index, size, proof, leaf), size === 1);
    }
  }
  // Beyond the 32 bits of shifts: a leaf of a tree of 2^53 - 1.
  const hashes = Array.from({ length: 53 }, () => LEAVES[1] ?? new Uint8Array());
  let root = LEAVES[0] ?? new Uint8Array();
  for (const hash of hashes) root = join(root, hash);
  assert.equal(includes(LEAVES[0] ?? root, 0, 2 ** 53 - 1, hashes, root), true);
  assert.equal(includes(LEAVES[0] ?? root, 2 ** 32, 2 ** 53 - 1, hashes, root), false);
});

/** What a verification proves, and plainly what it does not. */

export function Limits() {
  return (
    <aside class="panel limits" aria-label="What it proves">
      <h2>What it proves</h2>
      <p>
        Every event still has the bytes that its hash was made from, and every hash builds on the
        one before. Nobody can change, insert, reorder or remove an event without computing every
        later hash anew.
      </p>
      <h2>What it does not prove</h2>
      <ul>
        <li>
          <strong>A chain that was computed anew looks whole</strong> beyond what a checkpoint
          covers. Up to there, whoever made it anew needs the signing key, too.
        </li>
        <li>
          <strong>A ledger whose end was cut off looks whole</strong>, with an earlier checkpoint as
          its last. Only who kept a later one, or a hash, can tell.
        </li>
        <li>
          <strong>Others may be shown another chain</strong> by whoever has the signing key. Compare
          checkpoints with them.
        </li>
        <li>
          <strong>This page comes from the server that it checks</strong>, and{" "}
          <code>tocsin verify</code> asks that server, too. A program of your own does not depend on
          it.
        </li>
        <li>
          <strong>What an agent reported may be untrue.</strong> The chain holds what was received.
        </li>
      </ul>
      <h2>What to do about it</h2>
      <p>
        Have the log's key from whoever runs Tocsin, by another way than this page. Keep a
        checkpoint, or the head that you verified, where they can't change it: in a ticket, in a
        mail to a colleague. Next time, hold the ledger against it.
      </p>
      <p>
        This browser remembers the last head that it verified and holds the chain against it by
        itself. That is as good as this browser: whoever can change its storage, or this page, gets
        past it. The same is true of a key that it remembers.
      </p>
      <p>
        To compute it with a program of your own, read “Checking the chain yourself” in{" "}
        <code>docs/reference.md</code>.
      </p>
    </aside>
  );
}

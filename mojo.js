// Keeps the connections of a page when its browser logs in.
//
//   <script src="/socket.io/mojo.js"></script>
//   <script>mojo.follow(io("/ChatSocket"));</script>
//
// When somebody logs in, each connection of their browser has to prove that it
// belongs to that browser, for others may know the session that it had before.
// A page that does not prove it is reconnected; with these lines it need not be.
// One call for each connection is enough, whatever number of apps share it.
(() => {
  "use strict";

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  // The server's own URL: that of the connection, in the scheme of a fetch.
  function address(manager) {
    const url = new URL(manager.uri, globalThis.location?.href);
    url.protocol = url.protocol.replace(/^ws/, "http");
    url.pathname = manager.opts.path.replace(/\/?$/, manager.opts.addTrailingSlash === false ? "" : "/");
    url.search = "";
    return url;
  }

  // The value has come on the connection, and goes back with the cookies. Until
  // the browser has stored those of the login the answer is 409.
  async function prove(socket, proof) {
    const url = address(socket.io);
    for (let wait = 25; socket.connected; wait = Math.min(2 * wait, 400)) {
      try {
        const answer = await fetch(url, {
          method: "POST",
          credentials: socket.io.opts.withCredentials ? "include" : "same-origin",
          headers: { "X-Mojo-Identity": proof },
        });
        if (answer.status !== 409) return;
      } catch {
        // The network is away; the connection tells if it stays so.
      }
      await pause(wait);
    }
  }

  globalThis.mojo = Object.assign(globalThis.mojo ?? {}, {
    follow(socket) {
      socket.on("mojo:identity", ({ proof }) => prove(socket, proof));
      return socket;
    },
  });
})();

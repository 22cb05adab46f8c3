/** The page's WebSocket: messages are JSON, and answers carry the number of their question. */

const retryMs = 300;

/** Opens a link that reconnects by itself. `onOpen` is called at each connection, `onDown` at each loss. */
export function openLink({ onOpen, onDown, onMessage }) {
  const waiting = new Map();
  let socket;
  let asked = 0;

  const connect = () => {
    socket = new WebSocket(`wss://${location.host}/ws`);
    socket.onopen = onOpen;
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      const question = waiting.get(message.answerTo);
      if (!question) return onMessage(message);
      waiting.delete(message.answerTo);
      return message.error ? question.reject(new Error(message.error)) : question.resolve(message.value);
    };
    socket.onclose = () => {
      for (const { reject } of waiting.values()) reject(new Error("link lost"));
      waiting.clear();
      onDown();
      setTimeout(connect, retryMs);
    };
  };
  const send = (message) => socket.send(JSON.stringify(message));
  connect();
  return {
    send,
    ask(message) {
      return new Promise((resolve, reject) => {
        asked += 1;
        if (socket.readyState !== WebSocket.OPEN) throw new Error("link lost");
        send({ ...message, question: asked });
        waiting.set(asked, { resolve, reject });
      });
    },
    /** Hangs up; the link reconnects by itself. */
    reopen: () => socket.close(),
  };
}

/** The page's WebSocket: messages are JSON, questions carry a number that comes back with the answer. */

const retryMs = 300;

/** Opens a link that comes back by itself; `onOpen` is called each time it is up, `onDown` each time it is lost. */
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
        waiting.set(asked, { resolve, reject });
        send({ ...message, question: asked });
      });
    },
    /** Hangs up; the link comes back by itself. */
    reopen: () => socket.close(),
  };
}

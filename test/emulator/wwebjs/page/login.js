/** IndexedDB storage like WhatsApp Web's. `strict` confirms a write only when it is on disk. */

async function transact(table, mode, work) {
  const opening = indexedDB.open("whatsapp", 1);
  opening.onupgradeneeded = () => {
    for (const name of ["login", "messages"]) opening.result.createObjectStore(name);
  };
  const database = await settled(opening, "success");
  try {
    const transaction = database.transaction(table, mode, { durability: "strict" });
    const result = work(transaction.objectStore(table));
    await settled(transaction, "complete");
    return result.result;
  } finally {
    database.close();
  }
}

function settled(request, event) {
  return new Promise((resolve, reject) => {
    request[`on${event}`] = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

const newKey = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));

/** Returns the keys, and the device if a phone has linked it. */
export async function loadLogin() {
  const known = await transact("login", "readonly", (store) => store.get("login"));
  return known ?? saveLogin({ staticKey: newKey(), identityKey: newKey(), advSecret: newKey() });
}

export async function saveLogin(login) {
  await transact("login", "readwrite", (store) => store.put(login, "login"));
  return login;
}

export async function forgetLogin() {
  for (const table of ["login", "messages"]) await transact(table, "readwrite", (store) => store.clear());
}

/** Returns the messages of earlier documents of this login. */
export const loadMessages = () => transact("messages", "readonly", (store) => store.getAll());

export const saveMessage = (message) =>
  transact("messages", "readwrite", (store) => store.put(message, `${message.t} ${message.id}`));

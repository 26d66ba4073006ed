// What the scripts of this folder share: each makes calls of the client, and prints what came of them as JSON.

export const given = JSON.parse(process.argv[2]);
const told = {};

/** Note what `call` returns, or the members of what it throws. */
export async function tell(name, call) {
  try {
    told[name] = await call();
  } catch (err) {
    told[name] = { ...err, error: err.name, message: err.message };
  }
}

/** Collect what an asynchronous iterator yields. */
export async function listed(iterator) {
  const found = [];
  for await (const each of iterator) found.push(each);
  return found;
}

export function print() {
  console.log(JSON.stringify(told));
}

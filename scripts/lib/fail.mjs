/** A fault that one sentence explains: it is printed without a stack. */
export class Fault extends Error {}

/**
 * Runs a script to its end: a {@link Fault} prints its sentence, any other error all it knows.
 * @param {() => Promise<void>} main
 */
export async function runScript(main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Fault ? error.message : error);
    process.exitCode = 1;
  }
}

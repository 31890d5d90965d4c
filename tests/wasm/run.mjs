// Runs the module, which imports nothing, and says what it returned.
import { readFile } from 'node:fs/promises'

const { instance } = await WebAssembly.instantiate(await readFile(process.argv[2]))
const result = instance.exports.run()
console.log(result)
process.exit(result === 42 ? 0 : 1)

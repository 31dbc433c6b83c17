// Run by node in the environment of @asyncapi/parser: its verdict on each document of standard input, a line each.
//
//   node asyncapi.mjs ENVIRONMENT < documents > verdicts
//
// A verdict is a JSON list of [severity, path, message]; severity 0 is an error, 1 a warning.

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const need = createRequire(process.argv[2] + '/')
const { Parser } = need('@asyncapi/parser')
const { AvroSchemaParser } = need('@asyncapi/avro-schema-parser')

const parser = new Parser()
parser.registerSchemaParser(AvroSchemaParser())
for await (const line of createInterface({ input: process.stdin })) {
  const { document, diagnostics } = await parser.parse(line)
  const found = diagnostics.filter(one => one.severity < 2).map(one => [one.severity, one.path.join('.'), one.message])
  const channels = document ? document.channels().all().map(one => one.id()) : []
  console.log(JSON.stringify({ found, channels }))
}

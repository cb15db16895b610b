/* node get.ts URL: prints what a GET is answered, as JSON. It is run inside the node's network namespace. */

const answer = await fetch(process.argv[2] ?? '')
const body = Buffer.from(await answer.arrayBuffer()).toString('base64')
process.stdout.write(JSON.stringify({ status: answer.status, body }))

// Asks the service at the first argument by the official clients of other services, and prints what they return as JSON.
// The other two arguments are a public key and its secret.
import mql from '@microlink/mql'
import * as screenshotone from 'screenshotone-api-sdk'
import urlbox from 'urlbox'

const [base, key, secret] = process.argv.slice(2)
const PAGE = 'https://clients.example/?a=b&c=ü d'
const REFUSED = 'http://127.0.0.1/'

const start = async bytes => Buffer.from(await bytes).subarray(0, 4).toString('latin1')

const fetched = async url => {
  const response = await fetch(url)
  const body = await response.arrayBuffer()
  return { status: response.status, type: response.headers.get('content-type'), start: await start(body) }
}

const take = url => screenshotone.TakeOptions.url(url).viewportWidth(1000).viewportHeight(600).format('jpg').delay(1)
const one = new screenshotone.Client(key, secret, base)
const box = (urlbox.default ?? urlbox)(key, secret, `${base}/v1/`)
const endpoint = `${base}/`
const options = { endpoint, screenshot: true, meta: false, viewport: { width: 1000, height: 600 } }

const answers = {
  'screenshotone take': async () => {
    const blob = await one.take(take(PAGE))
    return { type: blob.type, start: await start(blob.arrayBuffer()) }
  },
  'screenshotone signed link': async () => fetched(await one.generateSignedTakeURL(take(PAGE))),
  'screenshotone refused': async () => one.take(take(REFUSED)),
  'screenshotone with a wrong secret': async () => new screenshotone.Client(key, 'wrong', base).take(take(PAGE)),
  'urlbox link': async () => fetched(box.generateRenderLink({ url: PAGE, width: 1000, format: 'jpg', full_page: false, hide_selector: ['.a', '.b'] })),
  'urlbox link without a signature': async () => fetched(box.generateInsecureRenderLink({ url: PAGE })),
  'microlink screenshot': async () => (await mql(PAGE, options)).data.screenshot,
  'microlink bytes': async () => {
    const { body } = await mql.buffer(PAGE, { ...options, embed: 'screenshot.url' })
    return { start: await start(body) }
  },
  'microlink refused': async () => mql(REFUSED, options)
}

const told = {}
for (const [name, ask] of Object.entries(answers)) {
  try {
    told[name] = await ask()
  } catch (error) {
    told[name] = { code: error.errorCode ?? error.code, status: error.httpStatusCode ?? error.statusCode, message: error.message }
  }
}
console.log(JSON.stringify(told))

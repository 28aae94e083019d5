#!/usr/bin/env node
// Checks the rendered mail against caniemail's data for Gmail, Outlook and
// Apple Mail. Every feature that one of them lacks must stand in the list
// below with its fallback; anything else fails.
//
//   node caniemail.mjs [CASE...]        default: a spike, a test, a recovery and a plain mail

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { modules, render, runCase } from './reference.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const tool = path.join(modules, 'caniemail');
const entry = JSON.parse(fs.readFileSync(path.join(tool, 'package.json'), 'utf8')).exports;
const start = typeof entry === 'string' ? entry : (entry['.'].import?.default ?? entry['.'].import ?? entry['.'].default ?? entry['.']);
const { caniemail } = await import(pathToFileURL(path.join(tool, start)).href);

const FALLBACKS = {
  '@media': 'The mail without it is the 600 px one in light colours; its table shrinks with the window.',
  '<style> element': 'Everything that matters is inline; the style block only refines narrow and dark views.',
  'display:none': 'The preheader is also 1 px high, without height and in the colour of the page.',
  'overflow': 'Only for the preheader, which display:none and mso-hide hide there.',
  'border-radius': 'Square corners.',
  'table-layout': 'Cells have percentages that add up to 100.',
  'white-space': 'Labels are joined by no-break spaces, amounts contain none.',
  'role attribute': 'A screen reader announces layout tables there.',
  'word-break': 'Only for names without a break in 60 characters.',
  '<body> element': 'The outer table carries the same colour.',
};

/** The features that one of the clients lacks and that have no fallback, each with those clients. */
export function findings(html) {
  const { issues } = caniemail({ clients: ['gmail.*', 'outlook.*', 'apple-mail.*'], html });
  const lacking = new Map();
  for (const [client, list] of issues.errors) {
    for (const { title } of list) lacking.set(title, [...(lacking.get(title) ?? []), client]);
  }
  return [...lacking].filter(([title]) => !(title in FALLBACKS)).map(([title, clients]) => `${title}: ${clients.join(', ')}`);
}

async function main(files) {
  let failed = false;
  for (const file of files) {
    const { mail } = await runCase(JSON.parse(fs.readFileSync(file, 'utf8')));
    const open = findings(render(mail).html);
    console.log(`${open.length ? 'FAIL' : 'ok  '} ${path.basename(file, '.json')}`);
    for (const finding of open) console.log(`     ${finding}`);
    failed ||= open.length > 0;
  }
  return !failed;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const samples = ['spike', 'test-event', 'recovery', 'nothing-readable'].map((name) => path.join(here, 'cases', `${name}.json`));
  process.exitCode = (await main(process.argv.length > 2 ? process.argv.slice(2) : samples)) ? 0 : 1;
}

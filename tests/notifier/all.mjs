#!/usr/bin/env node
// Everything that needs Node, in one process, for tests/all/notifier.rs: the
// reference engine's answers to every case and to every series of figures.json,
// with the mail that they give, the cases' own expectations, random worlds, asl-validator and caniemail. One
// JSON document on stdout.
//
//   node all.mjs

import fs from 'node:fs';
import path from 'node:path';
import { findings } from './caniemail.mjs';
import { CONFIG, allCases, asset, evaluations, expectations, figureProblems, figures, fuzz, load, render, runCase } from './reference.mjs';

// As shipped, with its placeholders: asl-validator takes no empty strings, which AWS does.
const validate = load('asl-validator');
const broken = structuredClone(asset);
broken.States.Duplicate = { Type: 'Pass', Next: 'Nowhere' };

// The mails with every part of the template between them: the same markup needs no second look.
const looks = new Set(['spike', 'test-event', 'recovery', 'nothing-readable', 'month-to-date', 'suspended-account']);

/** What the other engines need to do the same, and what they are compared with. */
const comparable = ({ execution, input, config, clock, end, error, cause, output, calls, mail }) => ({
  execution, input, config, clock, end, error, cause, output, calls, mail,
});

const cases = {};
for (const file of allCases()) {
  const test = JSON.parse(fs.readFileSync(file, 'utf8'));
  const run = await runCase(test);
  const mail = run.mail && render(run.mail);
  const name = path.basename(file, '.json');
  cases[name] = {
    ...comparable(run),
    rendered: mail,
    problems: expectations(test, run, mail),
    unsupported: looks.has(name) ? findings(mail.html) : undefined,
  };
}
for (const test of figures) {
  const run = await runCase(test);
  cases[`figures: ${test.name}`] = { ...comparable(run), problems: figureProblems(test, run) };
}

console.log(JSON.stringify({
  config: CONFIG,
  cases,
  worlds: await fuzz(30, 1),
  slowest: evaluations.slowest,
  validator: validate(asset).errors,
  // Both must find something here, else they look at nothing.
  validatorOnABrokenMachine: validate(broken).errors,
  unsupportedInAModernPage: findings('<div style="display:grid"><svg></svg></div>'),
}));

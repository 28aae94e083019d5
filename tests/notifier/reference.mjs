#!/usr/bin/env node
// The reference for the notifier's expressions: the JSONata engine that AWS
// names (npm `jsonata` 2.0.6), and an interpreter for the part of the Amazon
// States Language that the notifier uses, with mocked answers.
//
//   node reference.mjs eval               one {"expr","vars"} a line on stdin,
//                                         one {"value"|"undefined"|"error"} a line out
//   node reference.mjs run CASE.json      runs the state machine; prints the calls and the end
//   node reference.mjs trace CASE.json    the same, with every evaluation: {"expr","vars","value"} a line
//   node reference.mjs check [CASE...]    compares every case with what it expects
//   node reference.mjs figures            compares the table of figures.json
//   node reference.mjs render CASE DIR    writes the mail of a case as files
//   node reference.mjs fuzz [N] [SEED]    N random worlds: a mail that is asked for must be whole
//   node reference.mjs config             what the placeholders hold here, as JSON
//
// The packages are looked for in $NOTIFIER_NODE_MODULES, by default
// target/notifier/node_modules of this repository; package-lock.json pins them.
// $NOTIFIER_ASL names the state machine as it is assembled from
// assets/notifier.asl.yaml (the newest target/debug/build/*/out/notifier.asl.json).

import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.resolve(here, '../..');
export const modules = path.resolve(process.env.NOTIFIER_NODE_MODULES ?? path.join(root, 'target/notifier/node_modules'));
export const load = createRequire(path.join(modules, 'x.js'));
const jsonata = load('jsonata');

/** The state machine as AWS gets it, placeholders and all. */
export const asset = JSON.parse(fs.readFileSync(process.env.NOTIFIER_ASL, 'utf8'));

/** The folder of the mails as they are assembled, beside it. */
const assembled = path.join(path.dirname(process.env.NOTIFIER_ASL), 'mail');

const MACHINE_ARN = 'arn:aws:states:us-east-1:999999999999:stateMachine:billctl-notifier';
const PAYLOAD_LIMIT = 262144; // 256 KiB a state's input or output, in bytes.

/** What the placeholders hold unless a case says otherwise. */
export const CONFIG = {
  FromAddress: 'billing@example.com',
  IdentityArn: '',
  ConfigurationSet: 'billctl',
  TemplateName: 'billctl-alert',
  ReplyTo: '',
  Cc: '',
  FallbackRecipient: '',
  OwnerTag: 'owner',
  BillingContact: 'false',
  AlarmName: 'Billing-Alarm',
  Measure: 'daily',
  NotifyOk: 'true',
  StackSetName: 'billctl-member',
  OrganizationName: '',
  Remind: 'true',
  EscalateAfter: '0',
  EscalateTo: '',
  ChatTopic: '',
  ChatTopics: '',
};

class Failure extends Error {
  constructor(error, cause) {
    super(`${error}: ${cause}`);
    this.error = error;
    this.cause = cause;
  }
}

const plain = (value) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));

/** The longest evaluation so far: AWS stops an expression after a second. */
export const evaluations = { slowest: { milliseconds: 0, expr: '' } };

async function evaluate(expr, vars, clock) {
  const began = performance.now();
  const program = jsonata(expr);
  if (clock) program.registerFunction('millis', () => clock.now, '<:n>');
  // Step Functions' own functions; $eval does not exist there.
  program.registerFunction('parse', (text) => JSON.parse(text), '<s:x>');
  program.registerFunction('eval', () => { throw new Error('$eval is not available'); });
  const value = plain(await program.evaluate(undefined, vars));
  const milliseconds = performance.now() - began;
  if (milliseconds > evaluations.slowest.milliseconds) evaluations.slowest = { milliseconds, expr: expr.trim().slice(0, 60) };
  return value;
}

/** Replaces the placeholders, which are whole strings, by walking the JSON. */
export function configure(node, config) {
  if (typeof node === 'string') {
    return node.replace(/\$\{([A-Za-z]+)\}/g, (whole, key) => (key in config ? config[key] : whole));
  }
  if (Array.isArray(node)) return node.map((item) => configure(item, config));
  if (node && typeof node === 'object') {
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, configure(value, config)]));
  }
  return node;
}

/** Evaluates every expression inside a value; an undefined result fails as it does on AWS. */
async function resolve(node, vars, trace, clock) {
  if (typeof node === 'string') {
    const match = /^\{%([\s\S]*)%\}$/.exec(node);
    if (!match) return node;
    let value;
    try {
      value = await evaluate(match[1], vars, clock);
    } catch (cause) {
      throw new Failure('States.QueryEvaluationError', `${cause.code ?? ''} ${cause.message} in ${match[1].slice(0, 120)}`);
    }
    trace?.push({ expr: match[1].trim(), vars, value });
    if (value === undefined) throw new Failure('States.QueryEvaluationError', `undefined: ${match[1].slice(0, 200)}`);
    return value;
  }
  if (Array.isArray(node)) return Promise.all(node.map((item) => resolve(item, vars, trace, clock)));
  if (node && typeof node === 'object') {
    const out = {};
    for (const [key, value] of Object.entries(node)) out[key] = await resolve(value, vars, trace, clock);
    return out;
  }
  return node;
}

const matches = (names, error) => names.includes(error) || (names.includes('States.ALL') && error !== 'States.DataLimitExceeded');

/** Runs a state machine until it ends. `task(resource, args)` answers or throws a Failure. */
export async function interpret(machine, input, executionName, task, trace, clock) {
  const fill = (node, vars) => resolve(node, vars, trace, clock);
  const vars = {};
  const context = {
    Execution: { Name: executionName, Id: MACHINE_ARN.replace(':stateMachine:', ':execution:') + ':' + executionName, Input: input },
    StateMachine: { Id: MACHINE_ARN, Name: 'billctl-notifier' },
  };
  const visited = [];
  let name = machine.StartAt;
  for (let steps = 0; steps < 5000; steps++) {
    const state = machine.States[name];
    if (!state) throw new Error(`no state ${name}`);
    visited.push(name);
    const scope = (extra) => ({ ...vars, states: { input, context: { ...context, State: { Name: name } }, ...extra } });
    const assign = async (block, extra) => {
      if (!block) return;
      const values = await fill(block, scope(extra));
      Object.assign(vars, values);
    };
    const sized = (value) => {
      if (Buffer.byteLength(JSON.stringify(value ?? null)) > PAYLOAD_LIMIT) throw new Failure('States.DataLimitExceeded', name);
      return value;
    };
    try {
      switch (state.Type) {
        case 'Pass': {
          const output = state.Output === undefined ? input : await fill(state.Output, scope());
          await assign(state.Assign);
          input = sized(output);
          if (state.End) return { end: name, output: input, visited, vars };
          name = state.Next;
          break;
        }
        case 'Choice': {
          let next = state.Default;
          for (const rule of state.Choices) {
            const verdict = await fill(rule.Condition, scope());
            if (typeof verdict !== 'boolean') throw new Failure('States.QueryEvaluationError', `condition is not a boolean: ${rule.Condition}`);
            if (verdict) {
              await assign(rule.Assign);
              next = rule.Next;
              break;
            }
          }
          if (!next) throw new Failure('States.NoChoiceMatched', name);
          name = next;
          break;
        }
        case 'Wait': {
          const seconds = await fill(state.Seconds, scope());
          if (!Number.isInteger(seconds) || seconds < 0) throw new Failure('States.QueryEvaluationError', `Seconds is ${seconds}`);
          clock.now += seconds * 1000;
          await assign(state.Assign);
          name = state.Next;
          break;
        }
        case 'Succeed':
          return { end: name, output: state.Output === undefined ? input : await fill(state.Output, scope()), visited, vars };
        case 'Fail': {
          const error = await fill(state.Error, scope());
          const cause = await fill(state.Cause, scope());
          return { end: name, error, cause, visited, vars };
        }
        case 'Task': {
          const tries = new Map();
          for (;;) {
            try {
              const args = await fill(state.Arguments ?? input, scope());
              sized(args);
              const result = sized(await task(state.Resource, args, name));
              const output = state.Output === undefined ? result : await fill(state.Output, scope({ result }));
              await assign(state.Assign, { result });
              input = sized(output);
              name = state.Next;
              break;
            } catch (failure) {
              if (!(failure instanceof Failure)) throw failure;
              const retry = (state.Retry ?? []).find((rule) => matches(rule.ErrorEquals, failure.error));
              const used = tries.get(retry) ?? 0;
              if (retry && used < (retry.MaxAttempts ?? 3)) {
                tries.set(retry, used + 1);
                const pause = (retry.IntervalSeconds ?? 1) * (retry.BackoffRate ?? 2) ** used;
                clock.now += Math.min(pause, retry.MaxDelaySeconds ?? Infinity) * 1000;
                continue;
              }
              const handler = (state.Catch ?? []).find((rule) => matches(rule.ErrorEquals, failure.error));
              if (!handler) throw failure;
              const errorOutput = { Error: failure.error, Cause: failure.cause };
              const output = handler.Output === undefined ? errorOutput : await fill(handler.Output, scope({ errorOutput }));
              await assign(handler.Assign, { errorOutput });
              input = output;
              name = handler.Next;
              break;
            }
          }
          break;
        }
        default:
          throw new Error(`state type ${state.Type} is not used by the notifier`);
      }
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      return { end: name, error: failure.error, cause: failure.cause, visited, vars };
    }
  }
  throw new Error('the state machine does not end');
}

/** The mocked world of a case: explicit answers first, then what its series imply. */
function world(test, calls, clock) {
  const used = new Map();
  const answerTo = (call, args) => {
    let answer = test.answers?.[call];
    if (Array.isArray(answer)) {
      const at = used.get(call) ?? 0;
      used.set(call, at + 1);
      answer = answer[Math.min(at, answer.length - 1)];
    }
    if (answer?.error) throw new Failure(answer.error, answer.cause ?? '');
    if (answer?.result) return answer.result;
    switch (call) {
      case 'organizations:listTagsForResource':
        return { Tags: [] };
      case 'organizations:listParents':
        return { Parents: [{ Id: 'r-root', Type: 'ROOT' }] };
      case 'cloudformation:describeStackInstance':
        return { StackInstance: { ParameterOverrides: test.threshold ? [{ ParameterKey: 'Threshold', ParameterValue: test.threshold }] : [] } };
      case 'cloudformation:describeStackSet':
        return { StackSet: { Parameters: [{ ParameterKey: 'AlarmName', ParameterValue: 'Billing-Alarm' }, { ParameterKey: 'Threshold', ParameterValue: '100' }] } };
      case 'cloudwatch:describeAlarms':
        return { MetricAlarms: [] };
      case 'cloudwatch:listMetrics': {
        const account = args.Dimensions.find((d) => d.Name === 'LinkedAccount').Value;
        return {
          Metrics: Object.keys(test.services ?? {}).map((service) => ({
            Namespace: 'AWS/Billing',
            MetricName: 'EstimatedCharges',
            Dimensions: [{ Name: 'Currency', Value: 'USD' }, { Name: 'LinkedAccount', Value: account }, { Name: 'ServiceName', Value: service }],
          })),
        };
      }
      case 'cloudwatch:getMetricData':
        return {
          MetricDataResults: args.MetricDataQueries.map((query) => {
            const service = query.MetricStat.Metric.Dimensions.find((d) => d.Name === 'ServiceName')?.Value;
            const series = (service === undefined ? test.series : test.services[service]) ?? [];
            const inside = series.filter(([time]) => Date.parse(time) >= Date.parse(args.StartTime) && Date.parse(time) < Date.parse(args.EndTime));
            return { Id: query.Id, Label: query.Id, StatusCode: 'Complete', Timestamps: inside.map((p) => p[0]), Values: inside.map((p) => p[1]) };
          }),
        };
      case 'sesv2:sendEmail':
        return { MessageId: '0100-message' };
      case 'account:getAlternateContact':
        throw new Failure('Account.ResourceNotFoundException', 'No contact of the inputted alternate contact type found.');
      case 'sns:publish':
        return { MessageId: '0200-chat' };
      case 'states:startExecution':
        return { ExecutionArn: 'arn:started', StartDate: '2026-11-23T00:00:00Z' };
      default:
        throw new Failure('States.TaskFailed', `no answer for ${call}`);
    }
  };
  return async (resource, args) => {
    const entry = { call: resource.replace('arn:aws:states:::aws-sdk:', '').replace('arn:aws:states:::', ''), arguments: args, at: new Date(clock.now).toISOString() };
    calls.push(entry);
    try {
      entry.result = answerTo(entry.call, args);
      return entry.result;
    } catch (failure) {
      entry.error = failure.error;
      entry.cause = failure.cause;
      throw failure;
    }
  };
}

export async function runCase(test, trace) {
  const machine = configure(asset, { ...CONFIG, ...test.config });
  const calls = [];
  // An event or another input, and when it comes: a case's clock is simulated.
  const input = test.input ?? test.event;
  const executionName = test.execution ?? `mail_${test.event?.id}`;
  const clock = { now: Date.parse(test.clock ?? test.event?.time) || Date.parse('2026-11-23T12:20:00Z') };
  const began = clock.now;
  const run = await interpret(machine, input, executionName, world(test, calls, clock), trace, clock);
  const sent = calls.filter((c) => c.call === 'sesv2:sendEmail').pop()?.arguments;
  const data = sent?.Content?.Template?.TemplateData;
  const mails = calls
    .filter((c) => c.call === 'sesv2:sendEmail' && !c.error && c.arguments.Content.Template)
    .map((c) => ({ at: c.at, to: c.arguments.Destination, ...JSON.parse(c.arguments.Content.Template.TemplateData) }));
  // What the chat's topics took.
  const chats = calls.filter((c) => c.call === 'sns:publish' && !c.error).map((c) => ({ topic: c.arguments.TopicArn, subject: c.arguments.Subject, ...JSON.parse(c.arguments.Message) }));
  const started = calls.filter((c) => c.call === 'states:startExecution').map((c) => ({ name: c.arguments.Name, input: c.arguments.Input }));
  return { execution: executionName, input, config: test.config ?? {}, clock: began, vars: run.vars, end: run.end, error: run.error, cause: run.cause, output: run.output, calls, mails, chats, started, mail: data ? JSON.parse(data) : undefined, send: sent, visited: run.visited };
}

/** Renders the three parts as SES does: Handlebars without HTML escaping, and every variable must exist. */
export function render(mail) {
  const handlebars = load('handlebars');
  const part = (folder, file) => handlebars.compile(fs.readFileSync(path.join(folder, file), 'utf8'), { noEscape: true, strict: true })(mail);
  const source = path.join(root, 'assets/mail');
  return { subject: part(source, 'subject.txt').trim(), html: part(assembled, 'body.html'), text: part(source, 'body.txt') };
}

/**
 * In what a chat message isn't one that Amazon Q Developer shows, or holds what Slack or Teams would make something of:
 * its form is in docs/aws-facts.md, "Chat messages".
 */
function chatProblems({ topic, subject, version, source, id, content, metadata, ...more }) {
  const problems = [];
  const want = (yes, what) => yes || problems.push(`chat: ${what}`);
  const text = (value, most) => typeof value === 'string' && value.length > 0 && value.length <= most && !/undefined|NaN|\[object/.test(value);
  want(Object.keys(more).length === 0, `strange fields ${Object.keys(more)}`);
  want(version === '1.0' && source === 'custom' && text(id, 128), 'version, source or id');
  want(/^arn:aws:sns:us-east-1:[0-9]{12}:/.test(topic) && /^[ -~]{1,99}$/.test(subject), 'topic or subject');
  const { textType, title, description, nextSteps, keywords, ...other } = content;
  want(textType === 'client-markdown' && Object.keys(other).length === 0, 'content');
  want(text(title, 150) && !/[\r\n]/.test(title), `title ${JSON.stringify(title)}`);
  want(text(description, 3000), 'description');
  want(nextSteps.length === 2 && nextSteps.every((step) => text(step, 600) && /^[^:]+: https:\/\/[^\s<>|]+$/.test(step)), `steps ${nextSteps}`);
  want(keywords.length === 3 && keywords.every((word) => text(word, 40)), 'keywords');
  want(metadata.threadId === `billctl-${metadata.additionalContext.account}`, 'thread');
  want(/^billctl-[a-z]+$/.test(metadata.eventType) && text(metadata.summary, 150) && metadata.relatedResources.length === 1, 'metadata');
  want(Object.values(metadata.additionalContext).every((value) => typeof value === 'string'), 'context');
  // The amount alone is bold; all else is plain.
  const plain = `${title}\n${description.replace(/^\*(-?\$[0-9,.]+)\* /gm, '$1 ')}`;
  const meant = plain.match(/[<>@＠`[\]|~#&\\*]|:\/\/|(^|[^A-Za-z0-9_])_|_([^A-Za-z0-9_]|$)|[\p{L}]\.[\p{L}]/mu);
  want(!meant, `${JSON.stringify(meant?.[0])} means something in a chat: ${plain}`);
  want(!/[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u061C\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF]/.test(plain), 'control characters');
  return problems;
}

/** Where `actual` lacks something of `expected`: objects by subset, everything else exactly. */
function differences(expected, actual, at) {
  if (expected && typeof expected === 'object' && !Array.isArray(expected)) {
    return Object.entries(expected).flatMap(([key, value]) => differences(value, actual?.[key], `${at}.${key}`));
  }
  if (Array.isArray(expected) && expected.some((item) => item && typeof item === 'object')) {
    const length = expected.length === actual?.length ? [] : [`${at} has ${actual?.length} items, expected ${expected.length}`];
    return [...length, ...expected.flatMap((item, i) => differences(item, actual?.[i], `${at}[${i}]`))];
  }
  return JSON.stringify(expected) === JSON.stringify(actual) ? [] : [`${at} is ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`];
}

/** In what a run and its mail are not as the case wants them. */
export function expectations(test, got, mail) {
  const { calls, reads, never, serviceQueries, hostile, ...expected } = test.expect;
  const problems = differences(expected, got, 'got');
  if (calls) problems.push(...differences(calls, got.calls.map((c) => c.call), 'calls'));
  if (reads !== undefined) {
    const made = got.calls.filter((c) => c.call === 'cloudwatch:getMetricData').length;
    if (made !== reads) problems.push(`the charges were read ${made} times, expected ${reads}`);
  }
  if (serviceQueries !== undefined) {
    const asked = got.calls.filter((c) => c.call === 'cloudwatch:getMetricData').pop().arguments.MetricDataQueries.length;
    if (asked !== serviceQueries) problems.push(`${asked} services were asked for, expected ${serviceQueries}`);
  }
  problems.push(...got.chats.flatMap(chatProblems));
  let seen = JSON.stringify(got.send ?? {}) + JSON.stringify(got.output ?? {}) + JSON.stringify(got.chats);
  if (mail) {
    seen += mail.subject + mail.html + mail.text;
    const size = Buffer.byteLength(mail.html) + Buffer.byteLength(mail.text);
    if (size > 60_000) problems.push(`the mail has ${size} bytes`);
    if (!hostile && /undefined|NaN|\[object|\{\{|null/.test(mail.subject + mail.html + mail.text)) problems.push('a value is missing in the rendered mail');
    if (/[\r\n]/.test(mail.subject)) problems.push('the subject has more than one line');
    const tags = [...mail.html.matchAll(/<\/?([a-zA-Z!][^\s>]*)/g)].map((m) => m[1].toLowerCase());
    const known = new Set(['!doctype', '!--', '!--[if', '![endif]--', 'html', 'head', 'meta', 'title', 'style', 'body', 'div', 'table', 'tr', 'td', 'p', 'a', 'span', 'strong', 'h1', 'h2', 'br']);
    const strange = tags.filter((tag) => !known.has(tag));
    if (strange.length) problems.push(`foreign markup in the mail: ${strange.join(', ')}`);
  }
  for (const text of never ?? []) if (seen.includes(text)) problems.push(`${JSON.stringify(text)} got into the mail`);
  return problems;
}

/** Publications written out: a row, or `count` of them, `hours` apart. */
const written = (series) =>
  series.flatMap((row) =>
    Array.isArray(row)
      ? [row]
      : Array.from({ length: row.count }, (_, i) => [
          new Date(Date.parse(row.from) + i * row.hours * 3600e3).toISOString().replace('.000Z', 'Z'),
          Math.round((row.first + i * row.step) * 1e6) / 1e6,
        ]),
  );

/** The table of figures.json, which `billctl spend` answers too, as cases: a mail about each series. */
export const figures = JSON.parse(fs.readFileSync(path.join(here, 'figures.json'), 'utf8')).map((row) => ({
  name: row.name,
  wanted: row.expect,
  clock: row.now,
  execution: 'mail_figures',
  input: { billctl: 'mail', account: '123456789012', as: 'first', test: true },
  config: { Measure: row.measure ?? 'daily' },
  answers: { 'organizations:describeAccount': { result: { Account: { Name: 'shop', Email: 'a@example.com', State: 'ACTIVE' } } } },
  threshold: String(row.limit),
  series: written(row.series),
}));

/** In what the state machine's figures differ from the table's by more than a cent. */
export function figureProblems(test, got) {
  const v = got.vars;
  const known = (yes, value) => (yes ? value : null);
  const some = v.points.length > 0 && (v.measure !== 'month-to-date' || v.monthKnown);
  const have = {
    amount: known(v.amountKnown, v.amount),
    to: known(some, new Date(v.at).toISOString().replace('.000Z', 'Z')),
    certain: known(some, v.certain),
    verdict: v.verdict,
    month: known(v.monthKnown, v.last.v),
    average: known(v.usualKnown, v.usual),
    forecast: known(v.forecast !== -1, v.forecast),
    stops: known(v.stops !== -1, v.stops),
    goes_on: known(v.goesOn !== -1, v.goesOn),
  };
  const near = (a, b) => a === b || (typeof a === 'number' && typeof b === 'number' && Math.abs(a - b) < 0.0101);
  const problems = Object.entries(test.wanted)
    .filter(([field, value]) => field !== 'days' && !near(value, have[field]))
    .map(([field, value]) => `${field} is ${have[field]}, expected ${value}`);
  for (const [day, value] of Object.entries(test.wanted.days ?? {})) {
    const found = v.days?.find((d) => d.day === day);
    if (!found || !near(value, known(found.known, found.spent))) problems.push(`${day} is ${found && known(found.known, found.spent)}, expected ${value}`);
  }
  return got.end === 'Sent' ? problems : [`ended in ${got.end}: ${got.error} ${got.cause}`];
}

async function check(files) {
  let failed = 0;
  for (const file of files) {
    const test = JSON.parse(fs.readFileSync(file, 'utf8'));
    const got = await runCase(test);
    const problems = expectations(test, got, got.mail && render(got.mail));
    console.log(`${problems.length ? 'FAIL' : 'ok  '} ${path.basename(file, '.json')}`);
    for (const problem of problems) console.log(`     ${problem}`);
    failed += problems.length ? 1 : 0;
  }
  console.log(`${files.length - failed} of ${files.length} cases as expected`);
  return failed === 0 && files.length > 0;
}

/**
 * Random worlds: odd series, odd names, failing reads, junk in the event's
 * free fields. Whatever they hold, a genuine alarm of a known account ends in
 * a mail whose every variable is there. Answers what did not.
 */
export async function fuzz(count, seed) {
  let state = seed >>> 0;
  const random = () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const junk = () => pick([null, 0, -1, '', 'x', '<b>', [], {}, [null], { a: 1 }, true, 1e300, '\u202E', '{{x}}', '\u0000']);
  const points = (end, most) => {
    let value = random() * 1000;
    const list = [];
    for (let i = Math.floor(random() * most); i >= 0; i--) {
      const time = new Date(end - i * 6 * 3600e3 - Math.floor(random() * 3) * 3600e3);
      value = random() < 0.05 ? value * random() - random() * 50 : value + random() * 10 ** Math.floor(random() * 5);
      if (random() < 0.9) list.push([time.toISOString().replace('.000Z', 'Z'), Math.round(value * 100) / 100]);
    }
    return random() < 0.1 ? list.reverse() : list;
  };
  const calls = ['account:getAlternateContact', 'organizations:describeAccount', 'organizations:listTagsForResource', 'organizations:listParents', 'organizations:describeOrganizationalUnit', 'cloudformation:describeStackInstance', 'cloudformation:describeStackSet', 'cloudwatch:getMetricData', 'cloudwatch:listMetrics'];
  const failed = [];
  for (let i = 0; i < count; i++) {
    const now = Date.UTC(2026, Math.floor(random() * 12), 1 + Math.floor(random() * 31), Math.floor(random() * 24), Math.floor(random() * 60));
    const test = {
      config: { FallbackRecipient: 'finops@example.com', Measure: pick(['daily', 'six-hourly', 'month-to-date']), ChatTopic: 'arn:aws:sns:us-east-1:999999999999:spend', BillingContact: 'true' },
      clock: new Date(now).toISOString(),
      execution: 'mail_fuzz',
      input: {
        billctl: 'mail', account: '123456789012', as: pick(['first', 'reminder', 'doubling', 'recovery', 'unreadable', junk()]),
        since: pick(['', '2026-11-20', junk()]), lastMail: junk(), toldAt: junk(), lastOver: junk(), excess: junk(), excessUntil: junk(),
        unsent: junk(), reported: junk(), limit: junk(), test: junk(), day: junk(), from: junk(),
      },
      threshold: pick(['', '0.01', '100', '999999999', 'x', '-1']),
      series: points(now, 70),
      services: Object.fromEntries(Array.from({ length: Math.floor(random() * 8) }, (_, n) => [`${pick(['Amazon', 'AWS', '<i>', '$'])}S${n}`, points(now, 34)])),
      answers: {},
    };
    for (const call of calls) {
      const roll = random();
      if (roll < 0.1) test.answers[call] = { error: pick(['States.TaskFailed', 'X.AccessDeniedException', 'X.Throttling']) };
      else if (roll < 0.2) test.answers[call] = { result: pick([{}, { Account: junk(), Tags: junk(), Parents: junk(), OrganizationalUnit: junk(), StackInstance: junk(), StackSet: junk(), Metrics: junk(), MetricDataResults: junk(), NextToken: junk() }, { Account: { Name: junk(), Email: junk(), State: junk() }, Tags: [{ Key: 'owner', Value: junk() }], Parents: [{ Id: junk(), Type: junk() }], OrganizationalUnit: { Name: junk() }, StackInstance: { ParameterOverrides: junk() }, StackSet: { Parameters: [{ ParameterKey: 'Threshold', ParameterValue: junk() }] }, Metrics: [{ Dimensions: junk() }], MetricDataResults: [{ Id: 'm1', Timestamps: junk(), Values: junk() }, { Id: 's0', Timestamps: junk(), Values: junk() }] }]) };
    }
    const names = ['*a*', '_b_ c', '~d~', '`e`', '<!channel> @here', '<@U1|x>', '[x](https://evil.example)', '# h', '- x', 'a_b', ':warning:', '\\*', '> q', '&lt;!here&gt;'];
    test.answers['organizations:describeAccount'] ??= { result: { Account: { Name: String(pick([junk(), pick(names), pick(names)])), Email: 'a@example.com', State: 'ACTIVE' } } };
    const got = await runCase(test);
    let problem = got.end !== 'Sent' || !got.mail ? `ended in ${got.end}: ${got.error} ${got.cause}` : '';
    if (!problem) {
      const walk = (value, at) => (value === null ? at : typeof value === 'object' ? Object.entries(value).map(([k, v]) => walk(v, `${at}.${k}`)).find(Boolean) : typeof value === 'string' && /NaN|undefined|Infinity/.test(value) ? at : '');
      const bad = walk(got.mail, 'mail');
      if (bad) problem = `${bad} is not usable`;
    }
    if (!problem) problem = got.chats.length === 1 ? chatProblems(got.chats[0]).join('; ') : `${got.chats.length} chat messages: ${got.output.chatFailure}`;
    if (problem) failed.push(`world ${i} of seed ${seed}: ${problem}`);
  }
  return failed;
}

export const allCases = () => fs.readdirSync(path.join(here, 'cases')).filter((f) => f.endsWith('.json')).sort().map((f) => path.join(here, 'cases', f));

async function main([verb, ...rest]) {
  switch (verb) {
    case 'eval': {
      for (const line of fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
        const { expr, vars } = JSON.parse(line);
        let answer;
        try {
          const value = await evaluate(expr, vars ?? {});
          answer = value === undefined ? { undefined: true } : { value };
        } catch (cause) {
          answer = { error: `${cause.code ?? ''} ${cause.message}`.trim() };
        }
        console.log(JSON.stringify(answer));
      }
      return true;
    }
    case 'run':
      console.log(JSON.stringify(await runCase(JSON.parse(fs.readFileSync(rest[0], 'utf8'))), null, 2));
      return true;
    case 'trace': {
      const trace = [];
      await runCase(JSON.parse(fs.readFileSync(rest[0], 'utf8')), trace);
      for (const line of trace) console.log(JSON.stringify(line));
      return true;
    }
    case 'config':
      console.log(JSON.stringify(CONFIG));
      return true;
    case 'fuzz': {
      const [count, seed] = [Number(rest[0] ?? 200), Number(rest[1] ?? 1)];
      const failed = await fuzz(count, seed);
      for (const problem of failed) console.log(`FAIL ${problem}`);
      console.log(`${count - failed.length} of ${count} random worlds ended in a whole mail`);
      return failed.length === 0;
    }
    case 'render': {
      const { mail } = await runCase(JSON.parse(fs.readFileSync(rest[0], 'utf8')));
      if (!mail) throw new Error('the case sends no template mail');
      const parts = render(mail);
      const base = path.join(rest[1], path.basename(rest[0], '.json'));
      fs.writeFileSync(`${base}.html`, parts.html);
      fs.writeFileSync(`${base}.txt`, `Subject: ${parts.subject}\n\n${parts.text}`);
      console.log(`${base}.html ${Buffer.byteLength(parts.html)} bytes, text ${Buffer.byteLength(parts.text)} bytes`);
      return true;
    }
    case 'check':
      return check(rest.length ? rest : allCases());
    case 'figures': {
      let wrong = 0;
      for (const test of figures) {
        const problems = figureProblems(test, await runCase(test));
        if (problems.length) console.log(`FAIL ${test.name}\n     ${problems.join('\n     ')}`);
        wrong += problems.length ? 1 : 0;
      }
      console.log(`${figures.length - wrong} of ${figures.length} series as expected`);
      return wrong === 0;
    }
    default:
      console.error('usage: reference.mjs eval | run CASE | trace CASE | render CASE DIR | check [CASE...]');
      return false;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
}

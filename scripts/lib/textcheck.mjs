/** Small checks that no linter here makes. Prints a line for each fault; exit code 1 if there is one. */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { ROOT } from './paths.mjs';

const PLACES = ['src', 'test', 'scripts', 'k8s', '.ci', '.github', 'README.md', 'Dockerfile'];
const CODE = new Set(['.ts', '.mjs', '.lua', '']);
const TEXT = new Set([...CODE, '.md', '.json', '.yaml', '.yml', '.sh', '.html', '.css']);
/** "Around 300 lines at the most"; a table of cases may run on a little. */
const MAX_LINES = 330;
const MAX_TEST_LINES = 400;

/** @typedef {{ name: string, text: string, lines: string[] }} File */

/** @type {((file: File) => string[])[]} */
const CHECKS = [longFile, leftovers, whitespace, testNames, focused, shell];

const faults = PLACES.flatMap((place) => filesIn(join(ROOT, place))).flatMap(check);
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;

/** @param {string} path */
function check(path) {
  const text = readFileSync(path, 'utf8');
  const file = { name: relative(ROOT, path), text, lines: text.split('\n') };
  return CHECKS.flatMap((one) => one(file).map((fault) => `${file.name}${fault}`));
}

/** @param {string} path @returns {string[]} */
function filesIn(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .flatMap((name) => filesIn(join(path, name)))
    .filter((file) => TEXT.has(extname(file)));
}

/** @param {File} file */
function longFile({ name, lines }) {
  const most = name.startsWith('test/') ? MAX_TEST_LINES : MAX_LINES;
  if (!CODE.has(extname(name)) || lines.length <= most) return [];
  return [`: ${lines.length} lines; split it (at most ${most})`];
}

/** @param {File} file */
function leftovers({ lines }) {
  // Put together here, so that this file does not find itself.
  const marks = new RegExp(`\\b(${['TO', 'DO|FIX', 'ME|XX', 'X'].join('')})\\b|^(<{7}|>{7}) `);
  return where(lines, (line) => marks.test(line), 'left over: finish it or say it in prose');
}

/** @param {File} file */
function whitespace({ text, lines, name }) {
  const faults =
    extname(name) === '.md' ? [] : where(lines, (line) => /\s$/.test(line), 'white space at the end');
  if (text !== '' && !text.endsWith('\n')) faults.push(': no newline at the end');
  if (text.includes('\r')) faults.push(': carriage returns');
  return faults;
}

/** A test that the runner's pattern does not match would never run, and nobody would notice. @param {File} file */
function testNames({ name, text }) {
  const isTest = name.endsWith('.test.ts');
  const usesTap = /^import t\b.* from 'tap'/m.test(text);
  if (!name.startsWith('test/') || extname(name) !== '.ts' || isTest === usesTap) return [];
  return [
    isTest ? ": a test, but it does not import t from 'tap'" : ': uses tap, but is not named *.test.ts',
  ];
}

/** @param {File} file */
function focused({ name, lines }) {
  if (!name.endsWith('.test.ts')) return [];
  return where(
    lines,
    (line) => /\bt\.only\(|\bonly: true\b/.test(line),
    'runs alone: the others would be skipped',
  );
}

/** @param {File} file */
function shell({ name, text }) {
  if (!text.startsWith('#!/usr/bin/env bash') && extname(name) !== '.sh') return [];
  const { status, stderr } = spawnSync('bash', ['-n', join(ROOT, name)], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  return status === 0 ? [] : [`: ${stderr.trim()}`];
}

/**
 * @param {string[]} lines
 * @param {(line: string) => boolean} isFault
 * @param {string} what
 */
function where(lines, isFault, what) {
  return lines.flatMap((line, i) => (isFault(line) ? [`:${i + 1}: ${what}`] : []));
}

#!/usr/bin/env node
// The program's entry. It starts a CommonJS module, for which Node loads less.
import { createRequire } from 'node:module'

createRequire(import.meta.url)('./start.cjs')

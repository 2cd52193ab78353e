#!/usr/bin/env node
console.error('vkvm: this command is not written yet');
process.exitCode = 2;

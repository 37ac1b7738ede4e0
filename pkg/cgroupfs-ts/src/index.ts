export { type Cgroupfs, type CgroupfsOptions, openCgroupfs } from './cgroupfs.ts';
export { CgroupError } from './error.ts';
export { type CgroupMounts, parseMounts, readMounts } from './mounts.ts';

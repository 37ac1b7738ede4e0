import { describe } from 'vitest';
import { btrfsDisk, btrfsMissing, overlayDisk, plainDisk } from './testdata/disks.ts';
import { snapshotterSuite } from './testdata/snapshotter-suite.ts';

const missing = btrfsMissing();
const why = missing === undefined ? '' : ` (skipped: ${missing})`;

describe('overlay', () => snapshotterSuite('overlay', plainDisk));
describe('native', () => snapshotterSuite('native', plainDisk));
describe('native on an overlay', () => snapshotterSuite('native', overlayDisk));
describe.skipIf(missing)(`btrfs${why}`, () => snapshotterSuite('btrfs', btrfsDisk));

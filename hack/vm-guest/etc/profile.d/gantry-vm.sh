export PATH=/gantry/.tools/bin:/gantry/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# What tests and hack/setup want to know of this machine.
export GANTRY_VM=1 GANTRY_TEST_SLOWNESS=8
cd /gantry

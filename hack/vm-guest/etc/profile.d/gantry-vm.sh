export PATH=/gantry/.tools/bin:/gantry/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /gantry

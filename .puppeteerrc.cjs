// Chromium comes from the system, from SESSIOND_CHROME_PATH or from @sparticuz/chromium; puppeteer's own download is not wanted.
module.exports = { skipDownload: true };

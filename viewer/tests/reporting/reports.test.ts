// From a study to a signed report, by the pages alone, each person in a browser of his own.

import { beforeAll, expect, test } from "vitest";
import { image } from "../instances";
import { findings } from "../browser/axe";
import type { Content } from "../../src/report/model";
import { drag, escape, measured, open, type Opened, until } from "../browser/support";
import { arrive, button, giveReason, hired, PASSWORD, saved, shot, sign, signIn, stage, written } from "./support";

const SIDE = 64;
const values = Int16Array.from({ length: SIDE * SIDE }, (_, i) => (i % SIDE) * 10 - 600);
const about = (accession: string, patient: string) =>
  image({ rows: SIDE, columns: SIDE, values, extra: { "00080050": ["SH", accession], "00100020": ["LO", patient], "00180015": ["CS", "CHEST"], "00380010": ["LO", `V-${patient}`] } });
const RARE = "姓名含罕用字：㛃、䶮、𠮷。";

let first = "";
let second = "";

/** The text of the report of the study in the page's address, as the server has it. */
const working = (page: Opened): Promise<Content> =>
  page.evaluate(async () => {
    const { exams } = (await (await fetch(`api/v1/exams?study=${new URLSearchParams(location.search).get("study")}`)).json()) as { exams: { report: { report_id: string } }[] };
    return (await fetch(`api/v1/reports/${exams[0]!.report.report_id}/working`)).json() as Promise<Content>;
  });

beforeAll(async () => {
  first = await arrive(about("R-1", "RP-1"));
  second = await arrive(about("R-2", "RP-2"));
});

test("who has not signed in is sent to sign in, and led back; a wrong password says so", async () => {
  const page = await open("reports.html?lang=zh#unread");
  await page.waitForURL((url) => url.pathname.endsWith("/signin.html"));
  await page.fill('input[name="login"]', "resident");
  await page.fill('input[name="password"]', "wrong");
  await page.click('button[type="submit"]');
  await page.waitForSelector('.error-text:text-is("用户名或密码不正确。")');
  expect(await findings(page)).toEqual([]);
  await shot(page, "signin-zh");
  await page.fill('input[name="password"]', PASSWORD);
  await page.click('button[type="submit"]');
  await page.waitForURL((url) => url.pathname.endsWith("/reports.html"));
  await page.waitForSelector("tr[data-exam]");
  expect(await page.textContent(".reader")).toBe("李住院");
});

test("a report is drafted, signed, returned, signed again, issued, and read in the PDF", async () => {
  const trainee = await signIn("trainee", "reports.html?lang=zh#unread");
  await trainee.waitForSelector('tr[data-exam]:has-text("R-1")');
  await shot(trainee, "reports-unread-zh");
  expect(await findings(trainee)).toEqual([]);
  await trainee.click('tr[data-exam]:has-text("R-1") a');
  await trainee.waitForSelector(".report-panel");
  await trainee.click('.report-body .button.primary');
  await stage(trainee, "实习书写中");
  await trainee.fill("#report-findings", `双肺纹理清晰，未见实变。${RARE}`);
  await trainee.fill("#report-impression", "胸部未见明显异常。");
  await saved(trainee);
  // What is saved is what the server has: another load of the page shows it.
  await trainee.reload();
  await trainee.waitForSelector("#report-findings");
  expect(await trainee.inputValue("#report-findings")).toBe(`双肺纹理清晰，未见实变。${RARE}`);
  await trainee.click(button("提交"));
  await stage(trainee, "实习报告待接收");

  const path = `read.html?lang=zh&study=${first}&report`;
  const resident = await signIn("resident", path);
  await resident.waitForSelector(button("接收"));
  await resident.click(button("接收"));
  await stage(resident, "初诊书写中");
  await resident.selectOption(".report-tools select >> nth=1", "false");
  await saved(resident);
  await shot(resident, "report-writing-zh");
  expect(await findings(resident)).toEqual([]);
  await sign(resident, "签名提交审核");
  await stage(resident, "待审核");
  expect(await resident.isVisible(button("开始审核"))).toBe(false); // never by the first signer

  const associate = await signIn("associate", path);
  await associate.click(button("开始审核"));
  await stage(associate, "审核中");
  await giveReason(associate, "退回", "请补充纵隔描述");
  await stage(associate, "初诊书写中");

  await resident.reload();
  await resident.waitForSelector('.report-message:has-text("请补充纵隔描述")');
  await resident.fill("#report-findings", `双肺纹理清晰，未见实变。纵隔未见肿大淋巴结。${RARE}`);
  await saved(resident);
  await sign(resident, "签名提交审核");
  await associate.reload();
  await associate.click(button("开始审核"));
  await stage(associate, "审核中");
  await sign(associate, "审核签发");
  await stage(associate, "已签发");
  await associate.waitForSelector('.issued[open] .signatures:has-text("李住院"):has-text("钱副主任")');
  expect(await associate.textContent(".issued[open] .report-shown")).toContain(RARE);
  await shot(associate, "report-issued-zh");

  const sent = associate.waitForResponse((response) => response.url().endsWith("/pdf") && response.ok());
  await associate.click('.issued .documents button:text-is("PDF")');
  const pdf = await sent;
  expect(pdf.headers()["content-type"]).toBe("application/pdf");
  // The page has taken the bytes of that answer; what is there is asked once more.
  const head = await associate.evaluate(async (url) => [...new Uint8Array(await (await fetch(url)).arrayBuffer()).slice(0, 5)], pdf.url());
  expect(String.fromCharCode(...head)).toBe("%PDF-");
  await associate.waitForSelector('iframe.report-pdf[src^="blob:"]');
  await escape(associate);
});

test("images that come after the first signature are seen before the report is issued; a clinician reads it then", async () => {
  const study = await arrive(about("R-LATE", "RP-LATE"));
  const path = `read.html?lang=zh&study=${study}&report`;
  const resident = await written("resident", path);
  await sign(resident, "签名提交审核");
  const clinician = await signIn(await hired("clinician"), path);
  await clinician.waitForSelector('.report-body:has-text("报告正在书写或审核，签发后可见。")');
  expect(await clinician.textContent("body")).not.toContain("双肺纹理清晰");
  const associate = await signIn("associate", path);
  await associate.click(button("开始审核"));
  await stage(associate, "审核中");
  await arrive({ ...about("R-LATE", "RP-LATE"), "0020000D": ["UI", study] });
  await associate.click(button("审核签发"));
  await associate.click("dialog .sign footer .button.primary:not([disabled])");
  // Refused, and told why; the box is there now, and the button waits for it.
  await associate.waitForSelector('dialog .sign input[name="images-seen"]');
  expect(await associate.isDisabled("dialog .sign footer .button.primary")).toBe(true);
  await associate.check('dialog .sign input[name="images-seen"]');
  await associate.click("dialog .sign footer .button.primary:not([disabled])");
  await stage(associate, "已签发");
  await clinician.reload();
  await clinician.waitForSelector('.issued[open] .report-shown:has-text("双肺纹理清晰")');
  expect(clinician.complaints.filter((each) => each.includes("403"))).toEqual([]);
});

test("what changed between two revisions is shown", async () => {
  const page = await signIn("chief", `read.html?lang=zh&study=${first}&report`);
  await page.click('[role="tab"]:text-is("版本与痕迹")');
  const select = ".compare select >> nth=0";
  await page.waitForSelector(select);
  // The first text that was saved, against the one that was issued.
  const earliest = await page.$eval(select, (box) => [...(box as HTMLSelectElement).options].find((o) => o.text.includes("保存"))!.value);
  await page.selectOption(select, earliest);
  await page.click('.compare button:text-is("比较")');
  await page.waitForSelector(".difference ins");
  expect(await page.textContent(".difference")).toContain("纵隔未见肿大淋巴结。");
});

test("a correction is asked for, accepted, written by the reviewer and confirmed by a higher rank; both versions stay", async () => {
  const path = `read.html?lang=zh&study=${first}&report`;
  const associate = await signIn("associate", path);
  await associate.click('[role="tab"]:text-is("版本与痕迹")');
  await associate.selectOption('.request select[name="class"]', "content");
  await associate.fill('.request input[name="text"]', "左侧应为右侧");
  await associate.click('.request button[type="submit"]');
  await associate.waitForSelector('.requests li:has-text("左侧应为右侧")');
  const chief = await signIn("chief", path);
  await chief.click('[role="tab"]:text-is("版本与痕迹")');
  await chief.click('.requests button:text-is("同意")');
  await chief.fill('dialog textarea[name="reason"]', "同意更正");
  await chief.click("dialog footer .button.primary");
  await chief.waitForSelector('.requests li:has-text("已同意")');
  await associate.reload();
  await giveReason(associate, "更正报告", "左侧应为右侧");
  await stage(associate, "初诊书写中");
  await associate.fill("#report-impression", "胸部未见明显异常。建议随访。");
  await saved(associate);
  await sign(associate, "签名更正");
  await stage(associate, "更正待确认");
  await chief.reload();
  await sign(chief, "确认更正");
  await stage(chief, "已签发");
  await chief.waitForSelector('.issued summary:has-text("第 2 版")');
  expect(await chief.$$eval(".issued summary", (all) => all.length)).toBeGreaterThanOrEqual(2);
  await shot(chief, "report-corrected-zh");
});

test("the report of an earlier study is read beside, and listed as compared", async () => {
  const third = await arrive(about("R-3", "RP-1"));
  const page = await signIn("resident", `read.html?lang=zh&study=${third}&report`);
  await page.click(".report-body .button.primary");
  await stage(page, "初诊书写中");
  await page.click('[role="tab"]:text-is("既往报告")');
  // What is read is the version that holds now.
  await page.waitForSelector('.issued .report-shown:has-text("建议随访。")');
  await page.click('.issued button:text-is("列为对比检查")');
  await page.waitForSelector('.issued button:text-is("已列为对比"):disabled');
  await saved(page);
  expect(await working(page)).toMatchObject({ comparisons: [first] });
});

test("a recall takes two persons; the report is then marked, and what was issued stays on record", async () => {
  const path = `read.html?lang=zh&study=${first}&report`;
  const associate = await signIn("associate", path);
  await giveReason(associate, "申请召回", "患者信息有误");
  await associate.waitForSelector('.report-message:has-text("申请召回")');
  expect(await associate.isVisible(button("召回报告"))).toBe(false); // never by who asked for it
  const chief = await signIn("chief", path);
  await giveReason(chief, "召回报告", "核实无误，同意召回");
  await chief.waitForSelector('.report-head .chip:text-is("已召回")');
  expect(await chief.$$eval(".issued summary", (all) => all.length)).toBe(2);
  await shot(chief, "report-recalled-zh");
});

test("what is typed while the server cannot be reached is kept, sent later, and survives the page", async () => {
  const page = await signIn("resident", `read.html?lang=zh&study=${second}&report`);
  await page.click(".report-body .button.primary");
  await stage(page, "初诊书写中");
  await page.fill("#report-findings", "第一句。");
  await saved(page);
  await page.route("**/working", (route) => route.abort());
  await page.fill("#report-findings", "第一句。第二句。");
  await until(page, () => document.querySelector("[data-save]")?.getAttribute("data-save") === "waiting");
  // The page goes without having been able to send it.
  page.on("dialog", (dialog) => void dialog.accept());
  await page.unroute("**/working");
  await page.route("**/working", (route) => (route.request().method() === "PUT" ? route.abort() : route.continue()));
  await page.reload();
  await page.waitForSelector('.report-message button:text-is("恢复")');
  await page.unroute("**/working");
  await page.click('.report-message button:text-is("恢复")');
  await saved(page);
  await page.reload();
  await page.waitForSelector("#report-findings");
  expect(await page.inputValue("#report-findings")).toBe("第一句。第二句。");
});

test("an ended session asks to sign in over the page, and nothing typed is lost", async () => {
  const page = await signIn("resident", `read.html?lang=zh&study=${second}&report`);
  await page.waitForSelector("#report-findings");
  await page.context().clearCookies();
  await page.fill("#report-findings", "第一句。第二句。第三句。");
  await page.waitForSelector("dialog .sign-in");
  await page.fill('dialog input[name="login"]', "resident");
  await page.fill('dialog input[name="password"]', PASSWORD);
  await page.click('dialog .sign-in button[type="submit"]');
  await saved(page);
  await page.reload();
  await page.waitForSelector("#report-findings");
  expect(await page.inputValue("#report-findings")).toBe("第一句。第二句。第三句。");
});

test("two who write at once: the second sees both texts and loses neither", async () => {
  const path = `read.html?lang=zh&study=${second}&report`;
  const one = await signIn("resident", path);
  const other = await signIn("resident", path);
  await other.waitForSelector("#report-impression");
  await one.fill("#report-impression", "甲写的意见。");
  await saved(one);
  await other.fill("#report-impression", "乙写的意见。");
  await other.waitForSelector('.report-message.error button:text-is("以我的文字继续")');
  expect(await other.inputValue("#report-impression")).toBe("乙写的意见。");
  await other.click('button:text-is("以我的文字继续")');
  await saved(other);
  await other.click('[role="tab"]:text-is("版本与痕迹")');
  await other.waitForSelector('.report-history h3:text-is("未采用的文字")');
});

test("half-written Chinese of an input method is neither saved nor overwritten", async () => {
  const page = await signIn("resident", `read.html?lang=zh&study=${second}&report`);
  await page.waitForSelector("#report-recommendation");
  await page.focus("#report-recommendation");
  const session = await page.context().newCDPSession(page);
  await session.send("Input.imeSetComposition", { text: "jianyi", selectionStart: 6, selectionEnd: 6 });
  await page.waitForTimeout(1800);
  expect(await page.$eval("[data-save]", (state) => state.getAttribute("data-save"))).toBe("saved");
  expect(await page.inputValue("#report-recommendation")).toBe("jianyi");
  await session.send("Input.insertText", { text: "建议随访。" });
  await until(page, () => document.querySelector<HTMLTextAreaElement>("#report-recommendation")!.value === "建议随访。");
  await saved(page);
  await page.reload();
  await page.waitForSelector("#report-recommendation");
  expect(await page.inputValue("#report-recommendation")).toBe("建议随访。");
});

test("key images and measurements go into the report with a way back to the picture", async () => {
  const page = await signIn("resident", `read.html?lang=zh&study=${second}&report`);
  await page.waitForSelector("#report-findings");
  await until(page, () => window.reading.session.active.value?.pixels.value !== undefined);
  await page.evaluate(() => (window.reading.session.tool.value = "length"));
  await drag(page, [10, 10], [30, 10]);
  await measured(page);
  await page.click('.report-section button:text-is("添加当前图像")');
  await page.fill('.report-images input', "右肺上叶");
  await page.keyboard.press("Tab");
  await page.click('.report-section button:text-is("插入测量值")');
  // 20 pixels of 0.5 mm.
  await page.waitForSelector('.report-images .link:has-text("mm")');
  await saved(page);
  const content = await working(page);
  expect(content.measurements.map((m) => m.unit)).toEqual(["mm"]);
  expect(content.measurements[0]!.value).toBeCloseTo(10, 0);
  expect(content.key_images.map((k) => k.note)).toEqual(["右肺上叶"]);
});

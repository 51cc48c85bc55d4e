// The words of the page. Chinese defines the keys; English has the same ones.

const zh = {
  title: "影像归档",
  patientName: "姓名", namePlaceholder: "张伟 / zhang wei", patientId: "患者编号", accession: "检查号", modality: "设备",
  studyDate: "检查日期", from: "起始日期", to: "截止日期", today: "今天", week: "近 7 天", month: "近 30 天",
  everything: "全部", anyModality: "全部", patient: "患者", examination: "检查", content: "内容",
  newer: "‹ 上一页", older: "下一页 ›", close: "关闭", previous: "上一幅", next: "下一幅", slice: "层面",
  none: "没有符合条件的检查", empty: "归档中还没有检查。可用 STOW-RS 或命令 import 存入。",
  unreachable: "无法连接服务器", refused: "服务器拒绝了请求", noDate: "无日期", noName: "无姓名",
  noDescription: "无描述", noImage: "无图像", noPicture: "此序列没有可显示的图像", enlarge: "放大", loading: "正在载入…",
  totals: (studies, series, instances) => `${studies} 项检查 · ${series} 个序列 · ${instances} 个对象`,
  counts: (series, objects) => [`${number(series)} 个序列`, `${number(objects)} 个对象`],
  objects: (n) => `${number(n)} 个对象`, rows: (first, last, total) => total === null ? `第 ${first}–${last} 项` : `第 ${first}–${last} 项，共 ${total} 项`,
  seriesNumber: (n) => `序列 ${n}`, position: (n, of) => `${n} / ${of}`,
  sex: { M: "男", F: "女", O: "其他" }, born: (date) => `生于 ${date}`,
};

const en = {
  title: "DICOMweb Archive",
  patientName: "Patient name", namePlaceholder: "zhang wei / 张伟", patientId: "Patient ID", accession: "Accession", modality: "Modality",
  studyDate: "Study date", from: "from", to: "to", today: "Today", week: "7 days", month: "30 days",
  everything: "All", anyModality: "All", patient: "Patient", examination: "Study", content: "Content",
  newer: "‹ Newer", older: "Older ›", close: "Close", previous: "Previous image", next: "Next image", slice: "Slice",
  none: "No study matches", empty: "The archive is empty. Store studies with STOW-RS or the import command.",
  unreachable: "The server cannot be reached", refused: "The server refused the request", noDate: "no date", noName: "no name",
  noDescription: "no description", noImage: "no image", noPicture: "This series has no picture", enlarge: "Enlarge", loading: "Loading…",
  totals: (studies, series, instances) => `${studies} studies · ${series} series · ${instances} objects`,
  counts: (series, objects) => [`${number(series)} series`, en.objects(objects)],
  objects: (n) => `${number(n)} object${n === 1 ? "" : "s"}`, rows: (first, last, total) => total === null ? `${first}–${last}` : `${first}–${last} of ${total}`,
  seriesNumber: (n) => `Series ${n}`, position: (n, of) => `${n} / ${of}`,
  sex: { M: "male", F: "female", O: "other" }, born: (date) => `born ${date}`,
};

const languages = { zh, en };
const remembered = localStorage.getItem("language");
const preferred = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";

export let language = remembered in languages ? remembered : preferred;
export let words = languages[language];

export function speak(chosen) {
  language = chosen;
  words = languages[chosen];
  localStorage.setItem("language", chosen);
}

export function number(value) {
  return Number(value).toLocaleString(language === "zh" ? "zh-CN" : "en-GB");
}

// What the server refuses, in the page's language: by the problem's type (RFC 9457), which never changes. The
// server's own sentence is English, and is what is said in English.

import { language } from "../i18n";

/** `{field}`, `{holder}`: members of the problem. */
const ZH: Readonly<Record<string, string>> = {
  "rank-too-low": "您的职称级别不足，不能进行此操作。",
  "same-person": "不能由同一人完成：签名人与审核人须为不同的医师。",
  "not-issued": "报告尚未签发，草稿内容只供书写和审核人员查看。",
  "not-holder": "报告当前由他人书写或审核，您不是持有人。",
  "not-original-reviewer": "只有原审核医师可以进行此操作。",
  "licence-expired": "您的执业资格已过有效期。",
  "not-qualified": "您没有登记有效的执业资格，不能签名。",
  "signing-identity-not-approved": "您的签名证书尚未获批准或已失效。",
  "person-required": "此操作须由本院工作人员登录后进行。",
  "wrong-state": "报告当前的状态不允许此操作，请刷新后重试。",
  "open-cycle-exists": "该报告已有进行中的更正或补充。",
  "content-changed": "报告内容已有变化：请重新核对全部内容后再签名。",
  "identity-changed": "患者或检查信息已有变化：请重新核对患者、检查和报告内容后再签名。",
  "lease-held": "他人正在处理此报告：{holder}",
  "exam-incomplete": "检查尚未完成，仍有图像到达。",
  "request-not-accepted": "修改申请尚未获得同意，或已经使用。",
  "images-not-opened": "签名前须先打开该检查的图像。",
  "images-arrived": "报告书写或签名后又有影像到达：请先查看并确认后再继续。",
  "nothing-changed": "内容没有变化。",
  "base-changed": "所依据的版本已有变化，请在当前版本上重新开始。",
  "senior-available": "目前有上级医师可以审核，不能由本人签发。",
  "not-urgent": "只有急诊检查可以进行此操作。",
  "not-ready": "文件正在生成，请稍候。",
  recalled: "该报告已召回，不再是有效版本。",
  "stale-revision": "内容已被他人更改，请按当前版本重试。",
  "qc-blocking": "自检发现必须处理的问题，请先处理或说明理由。",
  "missing-field": "缺少必填内容：{field}",
  "idempotency-key-reused": "重复的请求与先前的内容不同，未执行。",
  "if-match-required": "请求未说明所依据的版本，未执行。",
  malformed: "服务器不接受所填内容：{field}",
  "login-failed": "用户名或密码不正确。",
  "login-required": "登录已过期，请重新登录。",
  "second-factor-required": "需要动态验证码。",
  "must-enrol": "此账户须先启用双因素验证。",
  "already-enrolled": "此账户已启用双因素验证。",
  "not-proposed": "请先取得新的密钥。",
  "needs-sign-in": "此操作须登录后进行，访问令牌无效。",
  locked: "尝试次数过多，账户暂时锁定。",
  denied: "您没有此操作的权限。",
  "cross-site": "请求来自其他网站，已拒绝。",
  "not-found": "没有找到所请求的内容。",
  "login-taken": "该用户名已被使用。",
  "weak-password": "密码强度不足。",
  "first-account": "第一个账户须是管理员。",
  "too-many": "数量超过上限。",
  own: "不能对自己进行此操作。",
  "not-pending": "该申请已处理。",
  "audit-unavailable": "审计记录暂时无法写入，操作未执行，请稍后重试。",
  "records-unavailable": "数据库暂时不可用，请稍后重试。",
};

/** Of problems without a type, which are told apart by their status alone. */
const ZH_STATUS: Readonly<Record<number, string>> = {
  401: "登录已过期，请重新登录。",
  403: "您没有此操作的权限。",
  404: "没有找到所请求的内容。",
  413: "内容过大。",
  500: "服务器发生错误。",
  502: "无法连接服务器。",
  503: "服务器暂时不可用，请稍后重试。",
  504: "服务器没有及时回答。",
  507: "服务器的存储空间已满。",
};

type Members = Readonly<Record<string, unknown>>;

/** The last part of the problem's type: "stale-revision"; "" for none. */
export function typeOf(members: Members): string {
  const type = typeof members["type"] === "string" ? members["type"].replace(/^.*\//, "") : "";
  return type === "about:blank" ? "" : type;
}

/** The sentence for the reader; of what is not known here, the server's own. */
export function problemText(status: number, members: Members): string {
  const detail = [members["detail"], members["title"]].find((said) => typeof said === "string" && said !== "") ?? `HTTP ${status}`;
  if (language.value !== "zh") return String(detail);
  const typed = ZH[typeOf(members)];
  const known = typed ?? ZH_STATUS[status];
  if (known === undefined) return String(detail);
  const holder = (members["holder"] as { name?: string } | null | undefined)?.name;
  const facts: Readonly<Record<string, unknown>> = { field: members["field"], holder };
  // What exactly was refused is only in the server's sentence.
  const exact = typed === undefined || typeOf(members) === "malformed" ? `（${String(detail)}）` : "";
  return known.replace(/\{(\w+)\}/g, (_, name: string) => String(facts[name] ?? "")) + exact;
}

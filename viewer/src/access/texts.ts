// Texts of signing in, shared by all pages.

import { translator } from "../i18n";

const zh = {
  title: "登录",
  login: "用户名",
  password: "密码",
  code: "动态验证码（6 位）",
  submit: "登录",
  failed: "用户名或密码不正确。",
  wrongCode: "验证码不正确，或已经用过。请等待下一个验证码。",
  locked: "尝试次数过多，请在 {minutes} 分钟后再试。",
  unreachable: "无法连接服务器。",
  again: "登录已过期。重新登录后继续，已输入的内容不会丢失。",
  signOut: "退出登录",
  signedInAs: "当前用户：{name}",
  open: "开放模式：此档案库没有账户，仅本机可以访问。",
  enrol: "启用双因素验证",
  enrolText: "请在身份验证器应用中添加此密钥，然后输入它显示的 6 位验证码。",
  enrolSecret: "密钥",
  enrolOpen: "在本机的验证器中打开",
  confirm: "确认",
  worklist: "检查列表",
  reports: "报告",
  admin: "管理",
  navigation: "页面",
};

const en: Record<keyof typeof zh, string> = {
  title: "Sign in",
  login: "Login",
  password: "Password",
  code: "One-time code (6 digits)",
  submit: "Sign in",
  failed: "Login or password is wrong.",
  wrongCode: "The code is wrong or was used already. Wait for the next one.",
  locked: "Too many attempts: try again in {minutes} min.",
  unreachable: "The server cannot be reached.",
  again: "Your session has ended. Sign in to go on; nothing you typed is lost.",
  signOut: "Sign out",
  signedInAs: "Signed in as {name}",
  open: "Open mode: this archive has no accounts; only this machine may use it.",
  enrol: "Turn on the second factor",
  enrolText: "Add this key to your authenticator, then type the six digits it shows.",
  enrolSecret: "Key",
  enrolOpen: "Open in this device's authenticator",
  confirm: "Confirm",
  worklist: "Studies",
  reports: "Reports",
  admin: "Administration",
  navigation: "Pages",
};

export const at = translator<keyof typeof zh>({ zh, en });

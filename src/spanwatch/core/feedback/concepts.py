"""What comments on software that talks are about, in the words of several languages: it brings them together.

Without it "slow", "waiting" and "langsam" share nothing. A list of hints, no dictionary: what is not here is clustered
by its words all the same.
"""

from __future__ import annotations

from functools import cache

from spanwatch.core.feedback.words import fold, term_of

PREFIX = "\x00"  # no word begins so

_CONCEPTS: dict[str, str] = {
    "speed": (
        "slow slowly lag laggy latency delay delayed wait waiting waited spinner loading load forever "
        "faster fast speed seconds minutes minute lento lenta tarda tardar lent lente attendre attente "
        "langsam warten dauert lentamente demora devagar wolno медленно ждать долго بطيء انتظار 慢 等待 遅い 待たさ"
    ),
    "facts": (
        "wrong incorrect false inaccurate untrue invented invents invent hallucinated hallucination "
        "hallucinates fiction facts fact source sources cited citation reference references falsch falsche "
        "quelle erfunden angaben falsa falso fuente inventa inventado fausses faux fausse inventee неверно "
        "неверная выдуман источник خطأ معلومات 错误信息 信息是 編造 编造 間違 嘘"
    ),
    "format": (
        "format formatting formatted table tables json csv xml yaml markdown bullet bullets template column "
        "columns list heading headings instructions tabelle tabla tableau formato tabela таблица формат 格式 "
        "表格 表形式 形式"
    ),
    "memory": (
        "forgot forget forgets forgotten remember remembers memory context repeat repeating repeated "
        "earlier previous beginning conversation again vergisst vergessen wiederholen olvida olvido repetir "
        "oublie oublier repeter забывает помнит نسي 忘记 忘れ"
    ),
    "tone": (
        "rude tone friendly unfriendly arrogant condescending patronizing polite impolite politeness "
        "sarcastic robotic impersonal empathy cold insulting lectured unhoflich ton tonfall grosero tono "
        "froid грубый тон وقح 语气 粗鲁 礼貌 失礼"
    ),
    "length": (
        "long longer short shorter brief verbose wordy wall essay novel paragraphs rambles rambling lengthy "
        "text tldr langer kurzer kurz texto corto largo texte court слишком длинно коротко طويل 太长 长了 長すぎ "
        "短く"
    ),
    "failure": (
        "crash crashed crashes crashing error errors froze freezes freeze hangs blank reload server "
        "connection network failed unexpected sturzt absturz fehlermeldung cierra plante erreur ошибка "
        "падает عطل 报错 崩溃 エラー 落ちる"
    ),
    "money": (
        "charged charge refund refunded refunds invoice bill billed billing money payment paid pay price "
        "prices fee fees subscription cancelled card discount abgebucht geld ruckzahlung rechnung "
        "erstattung cobraron cobro reembolso dinero facture remboursement argent деньги возврат счет مبلغ "
        "المبلغ استرداد 扣款 退款 返金 請求"
    ),
    "access": (
        "login log logged password account sign locked blocked unlock verification code reset access "
        "username authentication anmelden passwort konto gesperrt sesion contrasena cuenta bloqueada "
        "connecter compte bloque войти пароль аккаунт تسجيل الدخول حسابي 登录 验证码 密码 ログイン"
    ),
    "delivery": (
        "parcel package order orders delivery delivered shipping shipment shipped tracking courier transit "
        "arrived paket sendung bestellung lieferung pedido paquete envio colis livraison commande посылка "
        "заказ доставка طرد 包裹 物流 荷物 配送"
    ),
    "refusal": (
        "refused refuse refuses refusal refusals refusing declined declines deny denied cannot assist "
        "unable policy safety filter allowed censorship blocks overcautious warning warnings disclaimers "
        "weigert verweigert niega refus отказывается отказ يرفض 拒绝 拒否"
    ),
    "language": (
        "language languages english german french spanish italian portuguese dutch polish swedish danish "
        "japanese chinese arabic translation translated translate grammar spelling dialect englisch deutsch "
        "sprache ingles espanol idioma anglais francais langue английский язык بالإنجليزية بالعربية 中文 英文 "
        "英語 日本語"
    ),
    "code": (
        "code python javascript typescript java sql script function functions bug bugs syntax compile "
        "compiles regex library unit tests test exception variable import snippet refactoring api funktion "
        "syntaxfehler codigo funcion sintaxis compila fonction код функция ошибка كود 代码 函数 コード 関数 バグ"
    ),
    "praise": (
        "great thanks thank perfect love excellent helpful awesome amazing wonderful best good happy useful "
        "clear solved impressed hilfreich danke dank gracias excelente perfecto merci parfait parfaite "
        "obrigado grazie спасибо отлично شكرا ممتازة 谢谢 帮助 ありがとう 助かり"
    ),
}


@cache
def _terms() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for concept, listed in _CONCEPTS.items():
        for word in listed.split():
            term = term_of(fold(word))
            found[term] = (*found.get(term, ()), PREFIX + concept)
    return found


@cache
def _pieces() -> tuple[tuple[str, str], ...]:
    """Words of scripts without spaces, which may stand anywhere in a run."""
    return tuple((term, concept) for term, concepts in _terms().items() if term[0] >= "\u3040" for concept in concepts)


def concepts(terms: list[str], text: str) -> list[str]:
    """The concepts that the terms of a text speak of, each once for every term."""
    known = _terms()
    found = [concept for term in terms for concept in known.get(term, ())]
    if not text.isascii():
        found += [concept for piece, concept in _pieces() if piece in text]
    return found

"""Pages with consent banners, as their tools make them.

A button that accepts paints its page red, one that refuses green, one for settings blue. A page that nothing pressed is
yellow. Banners are grey, at the bottom.
"""

import json
from collections.abc import Iterable

ACCEPT, REFUSE, SETTINGS = (f"onclick=\"top.postMessage('{colour}', '*')\"" for colour in ("red", "green", "blue"))
BAR = "position:fixed;left:0;right:0;bottom:0;height:100px;background:grey"
COOKIES = "This site uses cookies."
BUTTONS = (
    f"<button {ACCEPT}>Accept all</button> <button {SETTINGS}>Settings</button> <button {REFUSE}>Reject all</button>"
)
BANNER = f"<div style='{BAR}'>{COOKIES} {BUTTONS}</div>"

TOOLS = {
    # the attributes of: the banner, and its buttons that accept, refuse, and open the settings
    "OneTrust": "id=onetrust-banner-sdk, id=onetrust-accept-btn-handler, id=onetrust-reject-all-handler, id=onetrust-pc-btn-handler",
    "Cookiebot": "id=CybotCookiebotDialog, id=CybotCookiebotDialogBodyLevelButtonLevelOptinAllowAll, id=CybotCookiebotDialogBodyButtonDecline, id=CybotCookiebotDialogNavDetails",
    "TrustArc": "id=truste-consent-track, id=truste-consent-button, id=truste-consent-required, id=truste-show-consent",
    "Didomi": "id=didomi-notice, id=didomi-notice-agree-button, id=didomi-notice-disagree-button, id=didomi-notice-learn-more-button",
    "InMobi": "id=qc-cmp2-container, id=accept-btn, id=disagree-btn, id=more-options-btn",
    "HubSpot": "id=hs-eu-cookie-confirmation, id=hs-eu-confirmation-button, id=hs-eu-decline-button, id=hs-eu-cookie-settings-button",
    "Cookie Notice": "id=cookie-notice, id=cn-accept-cookie, id=cn-refuse-cookie, id=cn-more-info",
    "Complianz": "class=cmplz-cookiebanner, class='cmplz-btn cmplz-accept', class='cmplz-btn cmplz-deny', class='cmplz-btn cmplz-view-preferences'",
    "CookieYes": "class=cky-consent-container, class='cky-btn cky-btn-accept', class='cky-btn cky-btn-reject', class='cky-btn cky-btn-customize'",
    "CookieYes, once": "id=cookie-law-info-bar, id=cookie_action_close_header, id=cookie_action_close_header_reject, class=cli_settings_button",
    "Borlabs": "id=BorlabsCookieBox, data-cookie-accept-all, data-cookie-refuse, data-cookie-individual",
    "Piwik PRO": "id=ppms_cm_popup_overlay, id=ppms_cm_agree-to-all, id=ppms_cm_reject-all, id=ppms_cm_save-choices",
    "Evidon": "id=_evidon_banner, id=_evidon-accept-button, id=_evidon-decline-button, id=_evidon-option-button",
    "axeptio": "id=axeptio_overlay, id=axeptio_btn_acceptAll, id=axeptio_btn_dismiss, id=axeptio_btn_configure",
    "iubenda": "id=iubenda-cs-banner, class=iubenda-cs-accept-btn, class=iubenda-cs-reject-btn, class=iubenda-cs-customize-btn",
    "Osano": "class='osano-cm-window osano-cm-dialog', class=osano-cm-accept-all, class=osano-cm-denyAll, class=osano-cm-manage",
    "Termly": "id=termly-code-snippet-support, data-tid=banner-accept, data-tid=banner-decline, class=t-preference-button",
    "Klaro": "class='klaro cookie-notice', class='cm-btn cm-btn-success', class='cm-btn cm-btn-danger cn-decline', class=cm-link",
    "tarteaucitron": "id=tarteaucitronRoot, id=tarteaucitronPersonalize2, id=tarteaucitronAllDenied2, id=tarteaucitronCloseAlert",
    "Cookie Consent 3": "class='cc-window cc-banner', class='cc-btn cc-allow', class='cc-btn cc-deny', class='cc-btn cc-settings'",
    "CookieConsent": "id=cc-main, data-role=all, data-role=necessary, data-role=show",
    "Shopify": "id=shopify-pc__banner, id=shopify-pc__banner__btn-accept, id=shopify-pc__banner__btn-decline, id=shopify-pc__banner__btn-manage-prefs",
    "Squarespace": "class=sqs-cookie-banner-v2, class=sqs-cookie-banner-v2-accept, class=sqs-cookie-banner-v2-deny, class=sqs-cookie-banner-v2-manage",
    "Wix": "data-hook=ccsu-banner-wrapper, data-hook=ccsu-banner-accept, data-hook=ccsu-banner-decline-all, data-hook=ccsu-banner-settings",
    "Funding Choices": "class=fc-consent-root, class='fc-button fc-cta-consent', class='fc-button fc-cta-do-not-consent', class='fc-button fc-cta-manage-options'",
    "CookieFirst": "id=cookiefirst-root, data-cookiefirst-action=accept, data-cookiefirst-action=reject, data-cookiefirst-action=adjust",
    "CookieScript": "id=cookiescript_injected, id=cookiescript_accept, id=cookiescript_reject, id=cookiescript_manage",
    "Civic": "id=ccc, id=ccc-notify-accept, id=ccc-notify-reject, class=ccc-notify-link",
    "Ketch": "id=ketch-banner, aria-label='Accept All', aria-label='Reject All', aria-label='Preferences'",
    "Drupal": "class=eu-cookie-compliance-banner, class=agree-button, class=decline-button, class=find-more-button",
    "TYPO3": "id=SgCookieOptin, class=sg-cookie-optin-box-button-accept-all, class=sg-cookie-optin-box-button-accept-essential, class=sg-cookie-optin-box-open-more-link",
    "Moove": "id=moove_gdpr_cookie_info_bar, class=moove-gdpr-infobar-allow-all, class=moove-gdpr-infobar-reject-btn, class=change-settings-button",
    "WP GDPR": "id=gdpr-cookie-consent-bar, id=cookie_action_accept, id=cookie_action_reject, id=cookie_action_settings",
    "Cookie Information": "id=coiOverlay, class=coi-banner__accept, id=declineButton, class=coi-banner__settings",
    "LiveRamp": "id=gdpr-consent-tool-wrapper, id=save, id=denyAll, id=manageSettings",
    "Fides": "id=fides-banner, class=fides-accept-all-button, class=fides-reject-all-button, class=fides-manage-preferences-button",
    "CCM19": "class='ccm-root ccm-modal', class=ccm--save-settings, class=ccm--decline-cookies, class=ccm--control-panel",
    "CookieHub": "class=ch2-container, class=ch2-allow-all-btn, class=ch2-deny-all-btn, class=ch2-open-settings-btn",
}  # fmt: skip

# The attributes of banners that are recognised by the words on their buttons, or have no button that refuses.
OTHER_TOOLS = (
    "id=cmpwrapper", "id=uc-banner-modal", "class=rcb-banner", "id=tc-privacy-wrapper", "id=transcend-consent-manager",
    "id=sd-cmp", "id=ifrmCookieBanner", "class=unic", "id=cl-consent", "id=catapult-cookie-bar",
)  # fmt: skip
CHATS = (
    "class=intercom-lightweight-app", "id=drift-widget-container", "class=crisp-client", "id=hubspot-messages-iframe-container",
    "id=chat-widget-container", "id=tidio-chat", "id=fc_frame", "id=olark-wrapper", "id=gorgias-chat-container",
    "class=fb_dialog", "class=joinchat", "id=wh-widget-send-button", "id=userlike-tab", "id=smartsupp-widget-container",
    "id=lpChat", "id=beacon-container", "class=woot-widget-bubble", "id=zsiq_float", "id=chatra", "id=ada-entry",
)  # fmt: skip
POP_UPS = (
    "role=dialog class='needsclick kl-private-reset-css-Xuajs1'", "id=PopupSignupForm_0", "class='Campaign CampaignType--popup'",
    "class=sumome-react-wysiwyg-popup-container", "class=privy-popup-container", "id=justuno_form", "id=wisepops-root",
    "class=poptin-popup", "class=leadinModal", "class=formkit-modal", "id=attentive_overlay", "class=pum-overlay",
    "class=mailpoet_form_popup", "id=onesignal-slidedown-container",
)  # fmt: skip
UNKNOWN = {
    "English": ("We value your privacy and use cookies.", "Accept All Cookies", "Reject non-essential cookies"),
    "German": ("Wir verwenden Cookies.", "Alle akzeptieren", "Nur notwendige Cookies"),
    "French": ("Nous utilisons des traceurs.", "J’accepte", "Continuer sans accepter →"),
    "Spanish": ("Utilizamos cookies.", "Aceptar todas", "Rechazar todo"),
    "Italian": ("Questo sito utilizza i cookie.", "Accetta tutti", "Rifiuta tutto"),
    "Portuguese": ("Utilizamos cookies.", "Aceitar todos", "Rejeitar todos"),
    "Dutch": ("Wij gebruiken cookies.", "Alles accepteren", "Alles weigeren"),
    "Polish": ("Używamy plików cookies.", "Zaakceptuj wszystkie", "Tylko niezbędne"),
    "Swedish": ("Vi använder kakor.", "Godkänn alla", "Endast nödvändiga kakor"),
    "Danish": ("Vi bruger cookies.", "Tillad alle", "Kun nødvendige"),
    "Norwegian": ("Vi bruker informasjonskapsler.", "Godta alle", "Avslå alle"),
    "Finnish": ("Käytämme evästeitä.", "Hyväksy kaikki", "Vain välttämättömät evästeet"),
    "Czech": ("Tento web používá soubory cookie.", "Přijmout vše", "Odmítnout vše"),
    "Slovak": ("Používame súbory cookie.", "Súhlasím", "Odmietnuť všetky"),
    "Hungarian": ("Weboldalunk sütiket használ.", "Elfogadom", "Csak a szükséges sütik"),
    "Romanian": ("Folosim cookie-uri.", "Acceptă toate", "Respinge toate"),
    "Greek": ("Χρησιμοποιούμε cookies.", "ΑΠΟΔΟΧΗ ΟΛΩΝ", "ΑΠΟΡΡΙΨΗ ΟΛΩΝ"),
    "Bulgarian": ("Този сайт използва бисквитки.", "Приемам всички", "Отхвърляне на всички"),
    "Croatian": ("Koristimo kolačiće.", "Prihvati sve", "Samo nužni kolačići"),
    "Slovenian": ("Uporabljamo piškotke.", "Strinjam se", "Zavrni vse"),
    "Estonian": ("See leht kasutab küpsiseid.", "Luba kõik", "Keeldu kõigist"),
    "Latvian": ("Mēs izmantojam sīkdatnes.", "Piekrītu", "Noraidīt visas"),
    "Lithuanian": ("Svetainėje naudojami slapukai.", "Sutinku", "Tik būtini slapukai"),
    "Turkish": ("Çerezleri kullanıyoruz.", "TÜMÜNE İZİN VER", "Tüm Çerezlere İzin Verme"),
    "Ukrainian": ("Ми використовуємо файли cookie.", "Прийняти все", "Лише обов’язкові"),
    "Russian": ("Мы используем куки.", "Принять все", "Только необходимые"),
    "Japanese": ("当サイトはクッキーを使用しています。", "すべて許可する", "必要なもののみ"),
    "Korean": ("이 사이트는 쿠키를 사용합니다.", "모두 동의", "필수 쿠키만 허용"),
    "Chinese": ("我们使用 Cookie。", "接受全部", "仅限必要 Cookie"),
    "Chinese, traditional": ("本網站使用 Cookie。", "我同意", "全部拒絕"),
}


def page(inside: str, style: str = "", banners: int = 1) -> str:
    """Make a page that turns green when so many `banners` were refused, and red or blue by any other button."""
    paint = f"""<script>let waiting = {banners}; onmessage = ({{data}}) => {{
        if (data !== 'green' || !--waiting) document.body.style.background = data }}</script>"""
    return f"<!doctype html><meta charset=utf-8><style>body{{margin:0;background:yellow}} {style}</style><body>{paint}{inside}"


def groups(names: Iterable[str], size: int) -> dict[str, list[str]]:
    """Return the names in groups of a size, each by its names in one line."""
    all_names = list(names)
    return {", ".join(group): group for group in (all_names[n : n + size] for n in range(0, len(all_names), size))}


def stacked(boxes: Iterable[str]) -> str:
    """Place bars, each made with `BAR`, one above the other, 100 px each, the first one at the bottom."""
    return "".join(box.replace("bottom:0;", f"bottom:{100 * n}px;", 1) for n, box in enumerate(boxes))


def of_tool(attributes: str) -> str:
    """Make the banner of a tool. The labels say nothing."""
    banner, *names = attributes.split(", ")
    buttons = (
        f"<button {name} {does}>*</button>" for name, does in zip(names, (ACCEPT, REFUSE, SETTINGS), strict=True)
    )
    return f"<div {banner} style='{BAR}'>{''.join(buttons)}</div>"


def named(all_attributes: Iterable[str], inside: str = "*") -> str:
    """Make bars that are recognised by their attributes alone, one over the other."""
    return "".join(f"<div {attributes} style='{BAR}'>{inside}</div>" for attributes in all_attributes)


def worded(text: str, accept: str, refuse: str) -> str:
    """Make the banner of no known tool."""
    return (
        f"<div style='{BAR}'>{text} <button {ACCEPT}>{accept}</button> <button {REFUSE}><b>{refuse}</b></button></div>"
    )


def refused_by(script: str) -> str:
    """Make a banner whose button that refuses runs `script`."""
    return f"""<div style="{BAR}">{COOKIES} <button {ACCEPT}>OK</button> <button onclick="{script}">Reject all</button></div>"""


def shown(inside: str) -> str:
    """Write the script that adds `inside` to the page."""
    return f"document.body.insertAdjacentHTML('beforeend', {json.dumps(inside)})"


def later(inside: str, milliseconds: int) -> str:
    return f"<script>setTimeout(() => {{ {shown(inside)} }}, {milliseconds})</script>"


def in_shadow(inside: str, light: str = "", host: str = "x-banner", mode: str = "open", script: str = "") -> str:
    attach = f"here.attachShadow({{mode: '{mode}'}}).innerHTML = {json.dumps(inside)}"
    script = f"<script>{{ const here = document.currentScript.previousSibling; {attach}; {script} }}</script>"
    return f"<{host}>{light}</{host.partition(' ')[0]}>{script}"


def in_frame(source: str) -> str:
    return f"<iframe {source} style='{BAR};width:100%;border:0'></iframe>"
